//! Where the camera (or the microphone) is, and the next step to where it should be.
//!
//! Rules: one step at a time, and the device is opened once on its way from the preview into the
//! call. What is wanted is looked at afresh after every step, so that a quick on-off-on ends in
//! the state that was asked for last. What failed is not tried again until something changes:
//! a choice, a device list, a switch.

use std::path::PathBuf;

use snug_media::device::DeviceId;

use crate::ipc::Problem;

/// Something that gives pictures or sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The device of this id; `None` is the system's favourite, where the lists do not tell.
    Device(Option<DeviceId>),
    /// A test pattern or a test tone.
    Test,
    /// A file, over and over.
    File(PathBuf),
}

/// Where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Off and free for other programs.
    Off,
    /// Running for the person alone.
    Preview,
    /// In the present call.
    Call,
}

/// What was opened.
pub(crate) struct Opened<S> {
    /// The source itself.
    pub(crate) source: S,
    /// What it is called.
    pub(crate) name: String,
    /// Size of its pictures; nothing for sound.
    pub(crate) size: Option<(u32, u32)>,
}

/// The next step. The owner carries it out and reports back.
#[derive(Debug, PartialEq)]
pub(crate) enum Step<S, M> {
    /// Open this: [`Capture::opened`].
    Open(Input),
    /// Run it for the person alone: [`Capture::monitored`].
    Monitor(S),
    /// Stop this; give the source back or free the device: [`Capture::stopped`].
    Stop {
        /// What runs.
        monitor: M,
        /// Whether the source is used again.
        keep: bool,
    },
    /// Free the device: [`Capture::stopped`].
    Free(S),
    /// Give it to the call: [`Capture::published`].
    Publish(S),
    /// Take it out of the call, which frees the device: [`Capture::published`].
    Withdraw,
}

/// The camera or the microphone.
pub(crate) struct Capture<S, M> {
    place: Place<S, M>,
    /// A step is under way, and what it is about.
    busy: Option<Busy>,
    /// What [`Place`] holds.
    input: Option<Input>,
    name: Option<String>,
    size: Option<(u32, u32)>,
    failed: Option<(Input, Problem)>,
    /// It ended by itself before the call said that it had taken it.
    ended_early: Option<Problem>,
}

enum Place<S, M> {
    Nowhere,
    Held(S),
    Monitored(M),
    /// In the call of this number.
    InCall(u64),
}

#[derive(Clone, Debug, PartialEq)]
enum Busy {
    Opening(Input),
    Stopping,
    Publishing(u64, bool),
}

impl<S, M> Default for Capture<S, M> {
    fn default() -> Self {
        Self {
            place: Place::Nowhere,
            busy: None,
            input: None,
            name: None,
            size: None,
            failed: None,
            ended_early: None,
        }
    }
}

impl<S, M> Capture<S, M> {
    /// Says what to do next to get to `goal` with `wanted`; nothing while a step is under way,
    /// when all is well, or when it cannot be. `call` is the number of the present call; `wanted`
    /// is nothing while it is not known which devices there are.
    pub(crate) fn next(
        &mut self,
        goal: Goal,
        wanted: Option<&Input>,
        call: Option<u64>,
    ) -> Option<Step<S, M>> {
        if self.busy.is_some() {
            return None;
        }
        let is_right = wanted.is_none() || self.input.as_ref() == wanted;
        match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Nowhere if goal == Goal::Off => None,
            Place::Nowhere => self.open(wanted),
            Place::Held(source) => Some(match (goal, call) {
                (Goal::Preview, _) if is_right => Step::Monitor(source),
                (Goal::Call, Some(call)) if is_right => {
                    self.busy = Some(Busy::Publishing(call, true));
                    Step::Publish(source)
                }
                _ => {
                    self.busy = Some(Busy::Stopping);
                    Step::Free(source)
                }
            }),
            Place::Monitored(monitor) if is_right && goal == Goal::Preview => {
                self.place = Place::Monitored(monitor);
                None
            }
            Place::Monitored(monitor) => {
                self.busy = Some(Busy::Stopping);
                let keep = is_right && goal == Goal::Call;
                Some(Step::Stop { monitor, keep })
            }
            Place::InCall(number) => {
                self.place = Place::InCall(number);
                // What is in a call that is over comes free with it: see `call_ended`.
                if call != Some(number) || (is_right && goal == Goal::Call) {
                    return None;
                }
                self.busy = Some(Busy::Publishing(number, false));
                Some(Step::Withdraw)
            }
        }
    }

    /// Notes what opening brought.
    pub(crate) fn opened(&mut self, result: Result<Opened<S>, Problem>) {
        let Some(Busy::Opening(input)) = self.busy.take() else {
            return;
        };
        match result {
            Ok(opened) => {
                self.place = Place::Held(opened.source);
                self.input = Some(input);
                self.name = Some(opened.name);
                self.size = opened.size;
                self.failed = None;
            }
            Err(problem) => self.failed = Some((input, problem)),
        }
    }

    /// Notes that it runs for the person alone, or why not.
    pub(crate) fn monitored(&mut self, result: Result<M, Problem>) {
        match result {
            Ok(monitor) => self.place = Place::Monitored(monitor),
            Err(problem) => self.fail(problem),
        }
    }

    /// Notes that it stopped; `source` is what is used again.
    pub(crate) fn stopped(&mut self, source: Option<S>) {
        if self.busy != Some(Busy::Stopping) {
            return;
        }
        self.busy = None;
        match source {
            Some(source) => self.place = Place::Held(source),
            None => self.clear(),
        }
    }

    /// Notes that the call took it, or let go of it.
    pub(crate) fn published(&mut self, call: u64, result: Result<(), Problem>) {
        let Some(Busy::Publishing(_, is_in)) = self
            .busy
            .take_if(|busy| matches!(busy, Busy::Publishing(it, _) if *it == call))
        else {
            return;
        };
        match (result, is_in) {
            (Ok(()), true) if self.ended_early.is_some() => {
                let problem = self.ended_early.take();
                problem.into_iter().for_each(|problem| self.fail(problem));
            }
            (Ok(()), true) => self.place = Place::InCall(call),
            (Ok(()), false) => self.clear(),
            (Err(problem), _) => self.fail(problem),
        }
    }

    /// Notes that it ended by itself, wherever it was.
    pub(crate) fn ended(&mut self, problem: Problem) {
        if matches!(self.place, Place::Monitored(_) | Place::InCall(_)) {
            self.fail(problem);
        } else if matches!(self.busy, Some(Busy::Publishing(_, true))) {
            self.ended_early = Some(problem);
        }
    }

    /// Notes that a call is over, with all that was in it.
    pub(crate) fn call_ended(&mut self, call: u64) {
        if matches!(self.busy, Some(Busy::Publishing(it, _)) if it == call) {
            self.busy = None;
            self.clear();
        }
        if matches!(self.place, Place::InCall(it) if it == call) {
            self.clear();
        }
    }

    /// Forgets what failed: something changed, so it is worth another try.
    pub(crate) fn retry(&mut self) {
        self.failed = None;
    }

    /// Whether it runs, for the person alone or in a call.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.place, Place::Monitored(_) | Place::InCall(_))
    }

    /// Whether it runs, or is on its way between the preview and a call.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(self.place, Place::Nowhere) || self.input.is_some()
    }

    /// Returns what it is called.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the size of its pictures.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// Returns why it does not run.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        self.failed.as_ref().map(|(_, problem)| problem)
    }

    fn open(&mut self, wanted: Option<&Input>) -> Option<Step<S, M>> {
        let wanted = wanted?;
        if self.failed.as_ref().is_some_and(|(it, _)| it == wanted) {
            return None;
        }
        self.busy = Some(Busy::Opening(wanted.clone()));
        Some(Step::Open(wanted.clone()))
    }

    fn fail(&mut self, problem: Problem) {
        if let Some(input) = self.input.take() {
            self.failed = Some((input, problem));
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.ended_early = None;
        self.place = Place::Nowhere;
        self.input = None;
        self.name = None;
        self.size = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::problem::problem;

    type Camera = Capture<u32, &'static str>;

    fn device(id: &str) -> Input {
        Input::Device(Some(DeviceId::new(id)))
    }

    fn open(camera: &mut Camera, input: &Input, source: u32) {
        let step = camera.next(Goal::Preview, Some(input), None);
        assert_eq!(step, Some(Step::Open(input.clone())));
        camera.opened(Ok(Opened {
            source,
            name: "Camera".to_owned(),
            size: Some((640, 360)),
        }));
    }

    fn preview(camera: &mut Camera, input: &Input) {
        open(camera, input, 7);
        let step = camera.next(Goal::Preview, Some(input), None);
        assert_eq!(step, Some(Step::Monitor(7)));
        camera.monitored(Ok("preview"));
        assert!(camera.is_running());
        assert_eq!(camera.next(Goal::Preview, Some(input), None), None);
    }

    fn failure() -> Problem {
        problem("camera_busy", "Busy.", "Wait.")
    }

    #[test]
    fn the_preview_goes_over_into_the_call_and_back_without_opening_twice() {
        let (mut camera, input) = (Camera::default(), device("a"));
        preview(&mut camera, &input);
        let step = camera.next(Goal::Call, Some(&input), Some(1));
        let monitor = "preview";
        assert_eq!(
            step,
            Some(Step::Stop {
                monitor,
                keep: true
            })
        );
        assert_eq!(camera.next(Goal::Call, Some(&input), Some(1)), None);
        camera.stopped(Some(7));
        let step = camera.next(Goal::Call, Some(&input), Some(1));
        assert_eq!(step, Some(Step::Publish(7)));
        camera.published(1, Ok(()));
        assert!(camera.is_running());
        assert_eq!(camera.next(Goal::Call, Some(&input), Some(1)), None);
        // The call ends: the preview has to wait until the device is free.
        assert_eq!(camera.next(Goal::Preview, Some(&input), None), None);
        camera.call_ended(1);
        open(&mut camera, &input, 8);
    }

    #[test]
    fn off_frees_the_device_wherever_it_is() {
        let (mut camera, input) = (Camera::default(), device("a"));
        preview(&mut camera, &input);
        let monitor = "preview";
        let step = camera.next(Goal::Off, Some(&input), None);
        assert_eq!(
            step,
            Some(Step::Stop {
                monitor,
                keep: false
            })
        );
        camera.stopped(None);
        assert_eq!((camera.is_held(), camera.name()), (false, None));
        open(&mut camera, &input, 8);
        let step = camera.next(Goal::Off, Some(&input), Some(1));
        assert_eq!(step, Some(Step::Free(8)));
        camera.stopped(None);
        open(&mut camera, &input, 9);
        camera.next(Goal::Call, Some(&input), Some(1));
        camera.published(1, Ok(()));
        let step = camera.next(Goal::Off, Some(&input), Some(1));
        assert_eq!(step, Some(Step::Withdraw));
        camera.published(1, Ok(()));
        assert!(!camera.is_held());
        assert_eq!(camera.next(Goal::Off, Some(&input), Some(1)), None);
    }

    #[test]
    fn a_quick_change_of_mind_ends_where_it_was_last() {
        let (mut camera, input) = (Camera::default(), device("a"));
        camera.next(Goal::Preview, Some(&input), None);
        assert_eq!(camera.next(Goal::Off, Some(&input), None), None, "opening");
        camera.opened(Ok(Opened {
            source: 1,
            name: String::new(),
            size: None,
        }));
        let step = camera.next(Goal::Off, Some(&input), None);
        assert_eq!(step, Some(Step::Free(1)));
        assert_eq!(camera.next(Goal::Preview, Some(&input), None), None);
        camera.stopped(None);
        open(&mut camera, &input, 2);
    }

    #[test]
    fn another_choice_closes_one_device_and_opens_the_other() {
        let mut camera = Camera::default();
        preview(&mut camera, &device("a"));
        let wanted = device("b");
        let monitor = "preview";
        let step = camera.next(Goal::Preview, Some(&wanted), None);
        assert_eq!(
            step,
            Some(Step::Stop {
                monitor,
                keep: false
            })
        );
        camera.stopped(None);
        open(&mut camera, &wanted, 2);
        camera.next(Goal::Call, Some(&wanted), Some(4));
        camera.published(4, Ok(()));
        let step = camera.next(Goal::Call, Some(&Input::Test), Some(4));
        assert_eq!(step, Some(Step::Withdraw));
    }

    #[test]
    fn what_failed_is_left_alone_until_something_changes() {
        let (mut camera, input) = (Camera::default(), device("a"));
        camera.next(Goal::Preview, Some(&input), None);
        camera.opened(Err(failure()));
        assert_eq!(camera.problem(), Some(&failure()));
        assert_eq!(camera.next(Goal::Preview, Some(&input), None), None);
        open(&mut camera, &device("b"), 1);
        assert_eq!(camera.problem(), None);
        let mut camera = Camera::default();
        camera.next(Goal::Preview, Some(&input), None);
        camera.opened(Err(failure()));
        camera.retry();
        open(&mut camera, &input, 1);
    }

    #[test]
    fn what_ends_by_itself_says_why() {
        let (mut camera, input) = (Camera::default(), device("a"));
        preview(&mut camera, &input);
        camera.ended(failure());
        assert_eq!(camera.problem(), Some(&failure()));
        assert!(!camera.is_running());
        assert_eq!(camera.next(Goal::Preview, Some(&input), None), None);
    }

    #[test]
    fn what_ends_before_the_call_says_that_it_has_it_does_not_run() {
        let (mut camera, input) = (Camera::default(), device("a"));
        open(&mut camera, &input, 1);
        camera.next(Goal::Call, Some(&input), Some(1));
        camera.ended(failure());
        camera.published(1, Ok(()));
        assert_eq!(camera.problem(), Some(&failure()));
        assert!(!camera.is_running());
    }

    #[test]
    fn late_news_of_an_earlier_call_changes_nothing() {
        let (mut camera, input) = (Camera::default(), device("a"));
        open(&mut camera, &input, 1);
        camera.next(Goal::Call, Some(&input), Some(1));
        camera.call_ended(1);
        assert!(!camera.is_held());
        open(&mut camera, &input, 2);
        camera.next(Goal::Call, Some(&input), Some(2));
        camera.published(1, Err(failure()));
        assert!(!camera.is_running());
        camera.published(2, Ok(()));
        camera.call_ended(1);
        assert!(camera.is_running());
    }

    #[test]
    fn nothing_is_opened_before_the_devices_are_known() {
        let mut camera = Camera::default();
        assert_eq!(camera.next(Goal::Preview, None, None), None);
        preview(&mut camera, &device("a"));
        assert_eq!(camera.next(Goal::Preview, None, None), None);
    }
}
