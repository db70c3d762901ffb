//! Every operation in every state with every set of resets, and the ones that real BMCs have.

use super::*;

use ResetType::{
    ForceOff, ForceOn, ForceRestart, GracefulRestart, GracefulShutdown, On, PowerCycle, PushPowerButton,
};

const RESETS: [ResetType; 8] = [
    On,
    ForceOn,
    ForceOff,
    GracefulShutdown,
    ForceRestart,
    GracefulRestart,
    PowerCycle,
    PushPowerButton,
];
const POWERS: [Power; 5] = [
    Power::On,
    Power::Off,
    Power::PoweringOn,
    Power::PoweringOff,
    Power::Unknown,
];
const MINUTE: Duration = Duration::from_secs(60);
const GRACES: [Grace; 3] = [Grace::AtOnce, Grace::Until(MINUTE), Grace::Endless];

fn texts(resets: &[ResetType]) -> Vec<String> {
    resets.iter().map(|reset| reset.as_str().to_owned()).collect()
}

/// What there is to check of one plan.
struct Case {
    operation: Operation,
    power: Power,
    offered: Vec<ResetType>,
    grace: Grace,
    plan: Plan,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = operation::name(self.operation);
        let offered = texts(&self.offered);
        write!(
            f,
            "{name} of {:?} with {offered:?}, {:?}: {:?}",
            self.power, self.grace, self.plan
        )
    }
}

impl Case {
    fn steps(&self) -> &[Step] {
        match &self.plan {
            Plan::Steps(steps) => steps,
            Plan::Nothing(_) | Plan::Refused(_) | Plan::Unsupported(_) => &[],
        }
    }

    /// Everything that it may come to telling the BMC.
    fn resets(&self) -> impl Iterator<Item = ResetType> {
        let both = self.steps().iter().map(|step| [step.reset, step.forced]);
        both.flatten().flatten().collect::<Vec<_>>().into_iter()
    }

    fn has(&self, resets: &[ResetType]) -> bool {
        resets.iter().any(|reset| self.offered.contains(reset))
    }
}

/// All of them: 7 operations, 5 states, 255 sets of resets, 3 graces.
fn every_case(mut check: impl FnMut(&Case)) {
    for operation in operation::ALL {
        for power in POWERS {
            for set in 1..1_u32 << RESETS.len() {
                let is_in = |place: &usize| set & (1 << place) != 0;
                let offered: Vec<ResetType> = (0..RESETS.len()).filter(is_in).map(|at| RESETS[at]).collect();
                for grace in GRACES {
                    let plan = plan(operation, power, &texts(&offered), grace);
                    check(&Case {
                        operation,
                        power,
                        offered: offered.clone(),
                        grace,
                        plan,
                    });
                }
            }
        }
    }
}

/// Where a machine is that does what it is told; its first state is the BMC's, and what is unknown is on.
fn after(power: Power, reset: ResetType) -> Power {
    let is_on = matches!(power, Power::On | Power::PoweringOn | Power::Unknown);
    match reset {
        On | ForceOn | ForceRestart | GracefulRestart | PowerCycle => Power::On,
        ForceOff | GracefulShutdown => Power::Off,
        PushPowerButton if is_on => Power::Off,
        PushPowerButton => Power::On,
        ResetType::Nmi => power,
    }
}

fn settled(power: Power) -> Power {
    match power {
        Power::PoweringOn => Power::On,
        Power::PoweringOff => Power::Off,
        Power::On | Power::Off | Power::Unknown => power,
    }
}

#[test]
fn nothing_is_told_that_the_bmc_does_not_offer() {
    every_case(|case| {
        for reset in case.resets() {
            assert!(case.offered.contains(&reset), "{case}");
        }
        if let Plan::Steps(steps) = &case.plan {
            assert!(!steps.is_empty() && steps.len() <= 2, "{case}");
        }
    });
}

/// A button does the opposite of what is meant if the state is another one than it seems.
#[test]
fn the_button_is_pressed_in_a_certain_state_and_as_the_last_resort() {
    every_case(|case| {
        if !case.resets().any(|reset| reset == PushPowerButton) {
            return;
        }
        assert!(matches!(case.power, Power::On | Power::Off), "{case}");
        let better = match case.power {
            Power::Off => [On, ForceOn].as_slice(),
            _ => &[GracefulShutdown],
        };
        assert!(!case.has(better), "{case}");
    });
}

#[test]
fn each_step_reaches_its_goal_and_the_last_one_that_of_the_operation() {
    every_case(|case| {
        let mut power = case.power;
        let mut has_been_off = matches!(power, Power::Off | Power::PoweringOff);
        for step in case.steps() {
            power = step.reset.map_or(settled(power), |reset| after(power, reset));
            let restarts = matches!(step.reset, Some(ForceRestart | GracefulRestart | PowerCycle));
            has_been_off |= restarts || power == Power::Off;
            let reached = match step.goal {
                Goal::On => power == Power::On,
                Goal::Off => power == Power::Off,
                Goal::Restarted => power == Power::On && restarts,
            };
            assert!(reached, "{case}");
        }
        if case.steps().is_empty() {
            return;
        }
        match case.operation {
            Operation::On => assert_eq!(power, Power::On, "{case}"),
            Operation::Off | Operation::SoftOff | Operation::ForceOff => {
                assert_eq!(power, Power::Off, "{case}");
            }
            _ => assert!(power == Power::On && has_been_off, "{case}"),
        }
    });
}

#[test]
fn what_is_there_already_is_told_nothing() {
    every_case(|case| {
        let goal = match (case.operation, case.power) {
            (Operation::On, Power::On) => Some(Goal::On),
            (Operation::Off | Operation::SoftOff | Operation::ForceOff, Power::Off) => Some(Goal::Off),
            _ => None,
        };
        let told = match &case.plan {
            Plan::Nothing(goal) => Some(*goal),
            Plan::Steps(_) | Plan::Refused(_) | Plan::Unsupported(_) => None,
        };
        assert_eq!(told, goal, "{case}");
    });
}

#[test]
fn only_restarts_of_what_is_off_are_refused() {
    every_case(|case| {
        let is_restart = matches!(case.operation, Operation::SoftRestart | Operation::HardRestart);
        let is_off = matches!(case.power, Power::Off | Power::PoweringOff);
        let is_refused = matches!(case.plan, Plan::Refused(_));
        assert_eq!(is_refused, is_restart && is_off, "{case}");
    });
}

#[test]
fn what_is_called_soft_never_forces() {
    every_case(|case| {
        if matches!(case.operation, Operation::SoftOff | Operation::SoftRestart) {
            let hard = [ForceOff, ForceRestart, PowerCycle];
            assert!(!case.resets().any(|reset| hard.contains(&reset)), "{case}");
        }
    });
}

/// Force comes at the deadline, at once if there is none to wait for, and never where the shutdown may take for ever.
#[test]
fn off_and_init_force_as_the_deadline_says() {
    every_case(|case| {
        let shuts_down = matches!(case.operation, Operation::Off | Operation::Init);
        let Some(step) = case.steps().first().filter(|step| step.goal == Goal::Off) else {
            return;
        };
        let can_force = shuts_down && case.offered.contains(&ForceOff);
        let expected = match (case.grace, step.reset) {
            (Grace::Until(_), Some(GracefulShutdown | PushPowerButton) | None) if can_force => Some(ForceOff),
            _ => None,
        };
        assert_eq!(step.forced, expected, "{case}");
        if can_force && case.grace == Grace::AtOnce {
            assert_eq!(step.reset, Some(ForceOff), "{case}");
        }
    });
}

/// Said by itself what is needed, so that an operation that could be done is never called unsupported.
fn is_possible(case: &Case) -> bool {
    let (is_on, is_off) = (case.power == Power::On, case.power == Power::Off);
    let on = case.has(&[On, ForceOn]) || is_off && case.has(&[PushPowerButton]);
    let soft_off = case.power == Power::PoweringOff
        || case.has(&[GracefulShutdown])
        || is_on && case.has(&[PushPowerButton]);
    let force_off = case.has(&[ForceOff]);
    match case.operation {
        Operation::On => on || case.power == Power::PoweringOn,
        Operation::Off => soft_off || force_off,
        Operation::SoftOff => soft_off,
        Operation::ForceOff => force_off,
        Operation::SoftRestart => case.has(&[GracefulRestart]) || soft_off && on,
        Operation::HardRestart => case.has(&[ForceRestart, PowerCycle]) || force_off && on,
        Operation::Init => on && (is_off || soft_off || force_off),
        Operation::Unspecified => false,
    }
}

#[test]
fn unsupported_is_only_what_cannot_be_done() {
    every_case(|case| {
        if matches!(case.plan, Plan::Nothing(_) | Plan::Refused(_)) {
            return;
        }
        let is_supported = !matches!(case.plan, Plan::Unsupported(_));
        assert_eq!(is_supported, is_possible(case), "{case}");
    });
}

#[test]
fn what_is_missing_is_named_with_what_is_there() {
    let plan = plan(
        Operation::SoftOff,
        Power::On,
        &texts(&[On, ForceOff]),
        Grace::AtOnce,
    );
    let told = "Soft-Off needs GracefulShutdown, and the BMC offers On, ForceOff".to_owned();
    assert_eq!(plan, Plan::Unsupported(told));
}

fn steps(
    operation: Operation,
    power: Power,
    offered: &[ResetType],
) -> Vec<(Option<ResetType>, Option<ResetType>)> {
    match plan(operation, power, &texts(offered), Grace::Until(MINUTE)) {
        Plan::Steps(steps) => steps.iter().map(|step| (step.reset, step.forced)).collect(),
        other => panic!("{other:?}"),
    }
}

/// Dell's, Supermicro's and OpenBMC's list, more or less.
#[test]
fn a_bmc_that_offers_everything_gets_the_gentlest() {
    let all = RESETS;
    let gracefully = (Some(GracefulShutdown), Some(ForceOff));
    let on = (Some(On), None);
    for (operation, power, expected) in [
        (Operation::On, Power::Off, vec![on]),
        (Operation::On, Power::PoweringOn, vec![(None, None)]),
        (Operation::On, Power::PoweringOff, vec![(None, None), on]),
        (Operation::On, Power::Unknown, vec![on]),
        (Operation::Off, Power::On, vec![gracefully]),
        (Operation::Off, Power::PoweringOff, vec![(None, Some(ForceOff))]),
        (
            Operation::SoftOff,
            Power::On,
            vec![(Some(GracefulShutdown), None)],
        ),
        (
            Operation::ForceOff,
            Power::PoweringOff,
            vec![(Some(ForceOff), None)],
        ),
        (
            Operation::SoftRestart,
            Power::On,
            vec![(Some(GracefulRestart), None)],
        ),
        (
            Operation::HardRestart,
            Power::On,
            vec![(Some(ForceRestart), None)],
        ),
        (Operation::Init, Power::On, vec![gracefully, on]),
        (Operation::Init, Power::Off, vec![on]),
    ] {
        assert_eq!(
            steps(operation, power, &all),
            expected,
            "{operation:?} of {power:?}"
        );
    }
}

/// iLO 4: no graceful shutdown but by its button.
#[test]
fn where_there_is_only_a_button_it_is_the_graceful_way() {
    let ilo4 = [On, ForceOff, ForceRestart, PushPowerButton];
    assert_eq!(
        steps(Operation::Off, Power::On, &ilo4),
        [(Some(PushPowerButton), Some(ForceOff))]
    );
    assert_eq!(
        steps(Operation::SoftRestart, Power::On, &ilo4),
        [(Some(PushPowerButton), None), (Some(On), None)]
    );
    assert_eq!(steps(Operation::On, Power::Off, &ilo4), [(Some(On), None)]);
}

#[test]
fn a_bmc_that_does_not_say_what_it_offers_is_asked_for_what_all_have() {
    for operation in operation::ALL {
        for power in POWERS {
            let plan = plan(operation, power, &[], Grace::of(None));
            assert!(
                !matches!(plan, Plan::Unsupported(_)),
                "{operation:?} of {power:?}"
            );
            if let Plan::Steps(steps) = plan {
                assert!(steps.iter().all(|step| step.reset != Some(PushPowerButton)));
            }
        }
    }
}

#[test]
fn supported_operations_are_those_that_a_node_can_be_put_through() {
    let of = |offered: &[ResetType]| supported(&texts(offered));
    assert_eq!(of(&RESETS).len(), operation::ALL.len());
    assert_eq!(supported(&[]).len(), operation::ALL.len());
    assert_eq!(of(&[ResetType::Nmi]), Vec::<String>::new());
    assert_eq!(of(&[On]), ["On"]);
    assert_eq!(
        of(&[On, ForceOff]),
        ["On", "Off", "Force-Off", "Hard-Restart", "Init"]
    );
    assert_eq!(of(&[GracefulShutdown]), ["Off", "Soft-Off"]);
}

#[test]
fn states_are_redfishs_and_the_names_pcss() {
    for (redfish, power, pcs) in [
        ("On", Power::On, "on"),
        ("Paused", Power::On, "on"),
        ("Off", Power::Off, "off"),
        ("PoweringOn", Power::PoweringOn, "off"),
        ("PoweringOff", Power::PoweringOff, "on"),
        ("", Power::Unknown, "undefined"),
        ("on", Power::Unknown, "undefined"),
    ] {
        assert_eq!((Power::of(redfish), Power::of(redfish).pcs_name()), (power, pcs));
    }
}

#[test]
fn deadlines_are_pcss_minutes() {
    for (minutes, grace) in [
        (None, Grace::Until(5 * MINUTE)),
        (Some(0), Grace::AtOnce),
        (Some(7), Grace::Until(7 * MINUTE)),
        (Some(-1), Grace::Endless),
    ] {
        assert_eq!(Grace::of(minutes), grace);
    }
}
