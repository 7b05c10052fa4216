//! What the encodings of a picture are to be like: a rule without IO, asked before each picture.
//!
//! Rules, each with its why:
//! - The lowest wanted encoding comes first, then the next: everybody sees something before
//!   anybody sees it well.
//! - Where a wanted encoding does not fit, the best lower one that fits takes its place, although
//!   nobody asked for it: the room shows it to those who wanted the better one.
//! - An encoding that had to go comes back only when there is room to spare, and some seconds later:
//!   each return costs a keyframe, and a picture that goes to and fro is worse than a small one.
//! - When encoding takes too much of the machine, the best encoding gives way first: it costs most.

use std::time::{Duration, Instant};

use crate::transport::RIDS;

/// As many encodings as there can be.
pub(super) const ENCODINGS_MAX: usize = RIDS.len();

/// Rows below which a smaller encoding is of no use: a face of a few dozen pixels.
const ROWS_MIN: u32 = 90;

/// Bits per second below which a quarter of a picture has nothing to show.
const QUARTER_BPS_MIN: u32 = 30_000;

/// Steps of giving way to a machine that is too slow; at the last one a quarter is left, seldom.
const EFFORT_STEPS: u8 = 5;

/// Pause between pictures of an encoding that has barely room: 15 a second, and 7.5 in need.
const PAUSE_THIN: Duration = Duration::from_millis(60);
const PAUSE_THINNEST: Duration = Duration::from_millis(125);

/// How long an encoding stays away that had to go.
const RETURN_AFTER: Duration = Duration::from_secs(3);

/// What one encoding is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The picture is made smaller by this: 1, 2 or 4.
    pub(super) divisor: u32,
    /// Bits per second to aim at.
    pub(super) bitrate_bps: u32,
    /// Pictures come no closer than this.
    pub(super) pause_min: Duration,
}

/// A target for each encoding that is to be sent.
pub(super) type Plan = [Option<Target>; ENCODINGS_MAX];

/// What a plan depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// Rows of the picture as it is captured.
    pub(super) rows: u32,
    /// How many encodings the room knows: 1 or [`ENCODINGS_MAX`].
    pub(super) encodings: usize,
    /// Bits per second for the picture in full size.
    pub(super) bitrate_max_bps: u32,
    /// Bits per second for all encodings together.
    pub(super) budget_bps: u32,
    /// Which encodings somebody wants.
    pub(super) wanted: [bool; ENCODINGS_MAX],
    /// How far to give way to a slow machine, from 0 to [`Effort::MAX`].
    pub(super) effort: u8,
}

/// Remembers what had to go, so that it does not come back too soon.
#[derive(Debug, Default)]
pub(super) struct Planner {
    plan: Plan,
    gone_at: [Option<Instant>; ENCODINGS_MAX],
}

impl Planner {
    /// Says what is to be sent from `now` on.
    pub(super) fn plan(&mut self, conditions: &Conditions, now: Instant) -> Plan {
        let ample = Conditions {
            budget_bps: conditions.budget_bps / 5 * 4,
            ..*conditions
        };
        self.plan = match conditions.encodings {
            1 => [self.plan_one(conditions, &ample, now), None, None],
            _ => self.plan_many(conditions, &ample, now),
        };
        self.plan
    }

    /// One encoding takes the size that fits.
    fn plan_one(
        &mut self,
        conditions: &Conditions,
        ample: &Conditions,
        now: Instant,
    ) -> Option<Target> {
        // It serves whoever wants any.
        if !conditions.wanted.contains(&true) {
            return None;
        }
        let divisor = |target: Option<Target>| target.map_or(u32::MAX, |target| target.divisor);
        let before = divisor(self.plan[0]);
        let rests = self.gone_at[0].is_some_and(|at| {
            let soon = now.saturating_duration_since(at) < RETURN_AFTER;
            soon || divisor(fit(ample, 1)) >= before
        });
        let target = fit(conditions, if rests { before } else { 1 });
        if divisor(target) > before {
            self.gone_at[0] = Some(now);
        }
        target
    }

    fn plan_many(&mut self, conditions: &Conditions, ample: &Conditions, now: Instant) -> Plan {
        let with_room = allocate(ample, [true; ENCODINGS_MAX]);
        let may = std::array::from_fn(|index| {
            let rests = self.gone_at[index].is_some_and(|at| {
                now.saturating_duration_since(at) < RETURN_AFTER || with_room[index].is_none()
            });
            self.plan[index].is_some() || !rests
        });
        let plan = allocate(conditions, may);
        for (index, target) in plan.iter().enumerate() {
            match (self.plan[index], target) {
                // What nobody wants any more has not failed: it may come back at once.
                (Some(_), None) if conditions.wanted[index] => self.gone_at[index] = Some(now),
                (None, Some(_)) => self.gone_at[index] = None,
                _ => {}
            }
        }
        plan
    }
}

/// The best size that fits, but none better than `divisor` says.
fn fit(conditions: &Conditions, divisor: u32) -> Option<Target> {
    let budget = conditions.budget_bps;
    let mut steps = conditions.ladder().rev();
    let fits = steps.find(|step| step.bps_min <= budget && step.divisor >= divisor);
    fits.map(|step| step.target(budget.min(step.bps_max)))
}

impl Conditions {
    /// Which encodings are wanted, exist at this size, and are not in `plan`.
    pub(super) fn withheld(&self, plan: &Plan) -> [bool; ENCODINGS_MAX] {
        if self.encodings == 1 {
            return [
                self.wanted.contains(&true) && plan[0].is_none(),
                false,
                false,
            ];
        }
        std::array::from_fn(|place| self.wanted[place] && plan[place].is_none())
    }

    /// The encodings of this picture, from the least to the best.
    fn ladder(&self) -> impl DoubleEndedIterator<Item = Step> + Clone {
        let this = *self;
        (0..ENCODINGS_MAX).filter_map(move |place| {
            let divisor = 1 << (ENCODINGS_MAX - 1 - place);
            if divisor > 1 && this.rows / divisor < ROWS_MIN {
                return None;
            }
            this.gives_way(divisor).map(|pause_min| Step {
                place,
                divisor,
                pause_min,
                bps_min: this.bps_min(divisor),
                bps_max: this.bps_max(divisor),
            })
        })
    }

    /// The pause between pictures of this size that a slow machine needs; none when it has to do
    /// without them.
    fn gives_way(&self, divisor: u32) -> Option<Duration> {
        let smallest = self.rows / (2 * divisor) < ROWS_MIN || divisor == 4;
        match (divisor, self.effort) {
            (_, 0) | (2 | 4, 1 | 2) | (4, 3 | 4) => Some(Duration::ZERO),
            (1, 1) | (2, 3) | (4, 5..) => Some(PAUSE_THIN),
            _ => smallest.then_some(PAUSE_THINNEST),
        }
    }

    fn bps_max(&self, divisor: u32) -> u32 {
        let share = match divisor {
            1 => 1,
            2 => 3,
            _ => 10,
        };
        (self.bitrate_max_bps / share).max(self.bps_min(divisor))
    }

    fn bps_min(&self, divisor: u32) -> u32 {
        match divisor {
            1 => self.bitrate_max_bps / 15 * 4,
            2 => self.bitrate_max_bps / 12,
            _ => QUARTER_BPS_MIN,
        }
        .max(QUARTER_BPS_MIN)
    }
}

/// One size that the picture can be sent in.
#[derive(Clone, Copy, Debug)]
struct Step {
    place: usize,
    divisor: u32,
    pause_min: Duration,
    bps_min: u32,
    bps_max: u32,
}

impl Step {
    fn target(&self, bitrate_bps: u32) -> Target {
        let pause = if bitrate_bps < self.bps_min.saturating_mul(3) / 2 {
            let thinnest = self.divisor == 4 && self.pause_min >= PAUSE_THIN;
            if thinnest { PAUSE_THINNEST } else { PAUSE_THIN }
        } else {
            Duration::ZERO
        };
        Target {
            divisor: self.divisor,
            bitrate_bps,
            pause_min: pause.max(self.pause_min),
        }
    }
}

/// Divides the budget; only encodings that `may` be sent are.
fn allocate(conditions: &Conditions, may: [bool; ENCODINGS_MAX]) -> Plan {
    let mut left = conditions.budget_bps;
    let mut chosen: Vec<Step> = Vec::with_capacity(ENCODINGS_MAX);
    let allowed = conditions.ladder().filter(|step| may[step.place]);
    for wanted in (0..ENCODINGS_MAX).filter(|place| conditions.wanted[*place]) {
        let is_new = |step: &Step| chosen.iter().all(|it| it.place < step.place);
        // The wanted one, else the best below it that fits.
        let mut at_most = allowed.clone().rev().filter(|step| step.place <= wanted);
        let step = at_most.find(|step| is_new(step) && step.bps_min <= left);
        // A small picture has no small encodings: the best stands for them.
        let least = || conditions.ladder().next().filter(|step| is_new(step));
        let step = step.or_else(|| least().filter(|step| step.bps_min <= left && may[step.place]));
        let Some(step) = step else {
            continue;
        };
        left -= step.bps_min;
        chosen.push(step);
    }
    let mut plan = Plan::default();
    for step in chosen {
        let more = left.min(step.bps_max - step.bps_min);
        left -= more;
        plan[step.place] = Some(step.target(step.bps_min + more));
    }
    plan
}

/// How far encoding has to give way to the machine, by how long it takes.
#[derive(Debug)]
pub(super) struct Effort {
    step: u8,
    since: Option<Instant>,
    busy: Duration,
    calm_windows: u32,
}

impl Effort {
    /// The greatest step.
    pub(super) const MAX: u8 = EFFORT_STEPS;
    /// How long is looked before anything changes.
    const WINDOW: Duration = Duration::from_secs(2);
    /// Calm windows before a step is taken back: ten seconds.
    const CALM_WINDOWS: u32 = 5;

    /// Starts with all that there is.
    pub(super) fn new() -> Self {
        Self {
            step: 0,
            since: None,
            busy: Duration::ZERO,
            calm_windows: 0,
        }
    }

    /// How far to give way.
    pub(super) fn step(&self) -> u8 {
        self.step
    }

    /// Notes that encoding a picture took `busy`, until `now`.
    pub(super) fn note(&mut self, busy: Duration, now: Instant) {
        self.busy += busy;
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed < Self::WINDOW {
            return;
        }
        let share = self.busy.as_secs_f64() / elapsed.as_secs_f64();
        (self.since, self.busy) = (Some(now), Duration::ZERO);
        // Over four fifths, pictures begin to wait for the encoder. A step down about halves the
        // work, so that a step up must find less than a third.
        if share > 0.8 {
            self.step = (self.step + 1).min(Self::MAX);
            self.calm_windows = 0;
        } else if share < 0.3 && self.step > 0 {
            self.calm_windows += 1;
            if self.calm_windows >= Self::CALM_WINDOWS {
                self.step -= 1;
                self.calm_windows = 0;
            }
        } else {
            self.calm_windows = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [bool; ENCODINGS_MAX] = [true; ENCODINGS_MAX];

    fn film(budget_bps: u32, wanted: [bool; ENCODINGS_MAX]) -> Conditions {
        Conditions {
            rows: 720,
            encodings: ENCODINGS_MAX,
            bitrate_max_bps: 1_500_000,
            budget_bps,
            wanted,
            effort: 0,
        }
    }

    fn bitrates(plan: &Plan) -> [u32; ENCODINGS_MAX] {
        plan.map(|target| target.map_or(0, |target| target.bitrate_bps))
    }

    fn fresh(conditions: &Conditions) -> [u32; ENCODINGS_MAX] {
        bitrates(&Planner::default().plan(conditions, Instant::now()))
    }

    #[test]
    fn there_is_a_best_for_everybody_when_there_is_room() {
        let plan = Planner::default().plan(&film(u32::MAX, ALL), Instant::now());
        assert_eq!(bitrates(&plan), [150_000, 500_000, 1_500_000]);
        assert_eq!(plan.map(|it| it.unwrap().divisor), [4, 2, 1]);
        assert!(plan.iter().all(|it| it.unwrap().pause_min.is_zero()));
    }

    #[test]
    fn the_lowest_come_first_and_never_more_than_the_budget() {
        let mut last = 0;
        for budget in (0..3_000_000).step_by(10_000) {
            let plan = fresh(&film(budget, ALL));
            let sum: u32 = plan.iter().sum();
            assert!(sum <= budget, "{budget}: {plan:?}");
            let count = plan.iter().filter(|it| **it > 0).count();
            assert!(count >= last, "{budget}: {plan:?}");
            assert!(plan[count..].iter().all(|it| *it == 0), "{plan:?}");
            last = count;
        }
        assert_eq!(last, 3);
        assert_eq!(fresh(&film(29_000, ALL)), [0; 3], "nothing fits");
    }

    #[test]
    fn what_nobody_wants_is_not_sent_unless_it_takes_the_place_of_better() {
        let best = [false, false, true];
        assert_eq!(fresh(&film(u32::MAX, best)), [0, 0, 1_500_000]);
        assert_eq!(fresh(&film(300_000, best)), [0, 300_000, 0]);
        assert_eq!(fresh(&film(100_000, best)), [100_000, 0, 0]);
        let ends = [true, false, true];
        assert_eq!(fresh(&film(200_000, ends)), [75_000, 125_000, 0]);
        assert_eq!(fresh(&film(u32::MAX, [false; 3])), [0; 3]);
    }

    #[test]
    fn a_small_picture_has_fewer_encodings_and_somebody_sees_it() {
        let small = |wanted| Conditions {
            rows: 100,
            ..film(u32::MAX, wanted)
        };
        assert_eq!(fresh(&small(ALL)), [0, 0, 1_500_000]);
        assert_eq!(fresh(&small([true, false, false])), [0, 0, 1_500_000]);
    }

    #[test]
    fn without_simulcast_the_one_encoding_changes_its_size() {
        let divisor = |budget_bps| {
            let one = Conditions {
                encodings: 1,
                // What the room calls the only one.
                ..film(budget_bps, [false, false, true])
            };
            let plan = Planner::default().plan(&one, Instant::now());
            plan[0].map(|target| target.divisor)
        };
        assert_eq!(divisor(2_000_000), Some(1));
        assert_eq!(divisor(300_000), Some(2));
        assert_eq!(divisor(60_000), Some(4));
        assert_eq!(divisor(20_000), None);
    }

    #[test]
    fn one_encoding_grows_late_and_with_room_to_spare() {
        let (mut planner, start) = (Planner::default(), Instant::now());
        let mut divisor = |seconds, budget| {
            let one = Conditions {
                encodings: 1,
                ..film(budget, ALL)
            };
            let now = start + Duration::from_secs(seconds);
            planner.plan(&one, now)[0].map_or(0, |target| target.divisor)
        };
        let seen = [
            divisor(0, 2_000_000),
            divisor(1, 10_000),
            divisor(2, 2_000_000),
            divisor(4, 2_000_000),
            divisor(5, 300_000),
            divisor(6, 2_000_000),
            divisor(9, 410_000),
            divisor(10, 600_000),
        ];
        assert_eq!(seen, [1, 0, 0, 1, 2, 2, 2, 1]);
    }

    #[test]
    fn what_had_to_go_comes_back_late_and_with_room_to_spare() {
        let (mut planner, start) = (Planner::default(), Instant::now());
        let mut at = |seconds, budget| {
            let now = start + Duration::from_secs(seconds);
            bitrates(&planner.plan(&film(budget, ALL), now))[2] > 0
        };
        assert!(at(0, 2_000_000));
        assert!(!at(1, 500_000));
        assert!(!at(2, 2_000_000), "too soon");
        assert!(!at(5, 560_000), "only just");
        assert!(at(6, 800_000));
        assert!(at(7, 560_000), "kept");
    }

    #[test]
    fn what_is_wanted_again_comes_at_once() {
        let (mut planner, now) = (Planner::default(), Instant::now());
        for wanted in [true, false, true] {
            let plan = planner.plan(&film(u32::MAX, [true, true, wanted]), now);
            assert_eq!(plan[2].is_some(), wanted);
        }
    }

    #[test]
    fn a_slow_machine_loses_the_best_first() {
        let counts: Vec<_> = (0..=Effort::MAX)
            .map(|effort| {
                let slow = Conditions {
                    effort,
                    ..film(u32::MAX, ALL)
                };
                let plan = Planner::default().plan(&slow, Instant::now());
                plan.iter().flatten().count()
            })
            .collect();
        assert_eq!(counts, [3, 3, 2, 2, 1, 1]);
    }

    #[test]
    fn effort_follows_what_encoding_takes() {
        let (mut effort, mut now) = (Effort::new(), Instant::now());
        let mut run = |effort: &mut Effort, share: f64, seconds: u32| {
            for _ in 0..30 * seconds {
                now += Duration::from_secs(1) / 30;
                effort.note(Duration::from_secs_f64(share / 30.0), now);
            }
        };
        run(&mut effort, 0.6, 20);
        assert_eq!(effort.step(), 0);
        run(&mut effort, 0.95, 5);
        assert_eq!(effort.step(), 2);
        run(&mut effort, 0.5, 30);
        assert_eq!(effort.step(), 2, "it fits");
        run(&mut effort, 0.2, 11);
        assert_eq!(effort.step(), 1);
        run(&mut effort, 5.0, 60);
        assert_eq!(effort.step(), Effort::MAX);
    }
}
