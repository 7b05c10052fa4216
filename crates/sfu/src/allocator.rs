//! Which encodings a receiver's way has room for.
//!
//! Rules: everybody is shown before anybody is shown better, in the order of rank. What is shown
//! already may stay as long as the way carries it now; something new must fit what the way
//! carried all the time lately, with some room to spare, and only when it is allowed to rise at
//! all. So a way that swings does not make pictures swing with it.

use crate::track::ENCODINGS_MAX;

/// What something new must leave free, as a share of itself: an eighth.
const SPARE: u64 = 8;

/// One picture that a receiver could be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// Whose way it takes, and where it stands: the track, and the subscription of that.
    pub(crate) link: usize,
    pub(crate) track: usize,
    pub(crate) place: usize,
    pub(crate) rank: Rank,
    /// Bits a second of each encoding; zero for one that cannot be had.
    pub(crate) costs: [u64; ENCODINGS_MAX],
    /// The best encoding that is of any use.
    pub(crate) limit: usize,
    /// The best that is allowed at present; none while nothing is.
    pub(crate) kept: Option<usize>,
    /// What [`allocate`] allows.
    pub(crate) given: Option<usize>,
}

/// What comes first: the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) is_prioritized: bool,
    pub(crate) is_speaking: bool,
    /// Rows of pixels that it is shown with.
    pub(crate) rows: u16,
}

/// What a way carries, in bits a second, for pictures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purse {
    pub(crate) now: u64,
    /// The least that it was lately.
    pub(crate) lowest: u64,
    pub(crate) may_rise: bool,
}

impl Demand {
    /// Returns the encoding after `index`, as far as it is of use; the first of any, if none that
    /// can be had is.
    fn next(&self, index: Option<usize>) -> Option<usize> {
        let start = index.map_or(0, |index| index + 1);
        let can_be_had = |index: &usize| self.costs[*index] > 0;
        let end = ENCODINGS_MAX.min(self.limit + 1);
        let found = (start..end).find(can_be_had);
        match index {
            None => found.or_else(|| (end..ENCODINGS_MAX).find(can_be_had)),
            Some(_) => found,
        }
    }

    /// Returns the best encoding that is of use and can be had.
    pub(crate) fn best(&self) -> Option<usize> {
        std::iter::successors(self.next(None), |best| self.next(Some(*best))).last()
    }

    /// Returns what that costs.
    pub(crate) fn best_cost(&self) -> u64 {
        self.cost(self.best())
    }

    fn cost(&self, index: Option<usize>) -> u64 {
        index.map_or(0, |index| self.costs[index])
    }

    fn is_kept(&self, index: usize) -> bool {
        self.kept.is_some_and(|kept| index <= kept)
    }
}

/// Fills in what each of one receiver's pictures is given; they come by rank, the greatest first.
/// Returns the bits a second that this takes.
pub(crate) fn allocate(demands: &mut [Demand], purse: &Purse) -> u64 {
    let mut spent = 0;
    for demand in &mut *demands {
        demand.given = None;
    }
    for _ in 0..ENCODINGS_MAX {
        for demand in &mut *demands {
            let Some(next) = demand.next(demand.given) else {
                continue;
            };
            let more = demand.costs[next].saturating_sub(demand.cost(demand.given));
            let fits = match demand.is_kept(next) {
                true => spent + more <= purse.now,
                false => {
                    let spare = demand.costs[next] / SPARE;
                    purse.may_rise && spent + more + spare <= purse.lowest.min(purse.now)
                }
            };
            if fits {
                demand.given = Some(next);
                spent += more;
            }
        }
    }
    spent
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAYERS: [u64; ENCODINGS_MAX] = [150, 500, 1500, 0];

    fn demand(rows: u16, kept: Option<usize>) -> Demand {
        Demand {
            link: 0,
            track: 0,
            place: 0,
            rank: Rank {
                rows,
                ..Rank::default()
            },
            costs: LAYERS,
            limit: 2,
            kept,
            given: None,
        }
    }

    fn purse(now: u64) -> Purse {
        Purse {
            now,
            lowest: now,
            may_rise: true,
        }
    }

    fn given(demands: &mut [Demand], purse: &Purse) -> Vec<Option<usize>> {
        allocate(demands, purse);
        demands.iter().map(|demand| demand.given).collect()
    }

    #[test]
    fn all_are_shown_before_one_is_shown_better() {
        let mut three = [demand(720, None), demand(360, None), demand(180, None)];
        for (carries, expected) in [
            (100, [None, None, None]),
            (350, [Some(0), Some(0), None]),
            (500, [Some(0), Some(0), Some(0)]),
            (900, [Some(1), Some(0), Some(0)]),
            (1700, [Some(1), Some(1), Some(1)]),
            (2800, [Some(2), Some(1), Some(1)]),
            (9000, [Some(2), Some(2), Some(2)]),
        ] {
            assert_eq!(given(&mut three, &purse(carries)), expected, "{carries}");
        }
    }

    #[test]
    fn what_is_shown_stays_where_something_new_would_not_come() {
        let tight = 1510;
        assert_eq!(given(&mut [demand(720, Some(2))], &purse(tight)), [Some(2)]);
        assert_eq!(given(&mut [demand(720, Some(1))], &purse(tight)), [Some(1)]);
        let swings = Purse {
            lowest: 700,
            ..purse(4000)
        };
        assert_eq!(given(&mut [demand(720, Some(1))], &swings), [Some(1)]);
        let held = Purse {
            may_rise: false,
            ..purse(4000)
        };
        assert_eq!(given(&mut [demand(720, Some(0))], &held), [Some(0)]);
        assert_eq!(given(&mut [demand(720, None)], &held), [None]);
    }

    #[test]
    fn a_small_tile_takes_no_more_than_it_shows() {
        let mut small = demand(180, None);
        small.limit = 0;
        assert_eq!(given(&mut [small], &purse(9000)), [Some(0)]);
        assert_eq!(small.best_cost(), 150);
        small.costs[0] = 0;
        assert_eq!(
            given(&mut [small], &purse(9000)),
            [Some(1)],
            "the least there is"
        );
    }

    proptest! {
        #[test]
        fn never_more_is_spent_than_there_is(
            wants in prop::collection::vec((prop::array::uniform4(0u64..2000), 0usize..4, prop::option::of(0usize..4)), 0..40),
            now in 0u64..20_000,
            lowest in 0u64..20_000,
            may_rise: bool,
        ) {
            let mut demands: Vec<Demand> = wants
                .into_iter()
                .map(|(mut costs, limit, kept)| {
                    costs.sort_unstable();
                    Demand { costs, limit, kept, ..demand(0, None) }
                })
                .collect();
            let spent = allocate(&mut demands, &Purse { now, lowest, may_rise });
            prop_assert!(spent <= now);
            prop_assert_eq!(spent, demands.iter().map(|demand| demand.cost(demand.given)).sum::<u64>());
            for demand in &demands {
                prop_assert!(may_rise || demand.given <= demand.kept);
            }
        }
    }
}
