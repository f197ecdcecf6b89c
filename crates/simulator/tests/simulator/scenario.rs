use awc::http::StatusCode;
use pushgate_simulator::{AccountConfig, Scenario, SimulatorConfig, SimulatorError};

use crate::bed::{TestBed, ending, push};

fn mistakes(text: &str) -> Vec<String> {
    match text.parse::<Scenario>() {
        Err(SimulatorError::Scenario(mistakes)) => mistakes,
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn steps_are_done_in_time() {
    let scenario = r#"
        [[step]]
        at = "20ms"
        accounts = "*"
        do = "clear"
        repeat = { every = "5ms", times = 3 }

        [[step]]
        at = "0s"
        account = "acme"
        do = "push"
        title = "first"
        body = "b"
        repeat = { every = "10ms", times = 3 }

        [[step]]
        at = "0s"
        account = "acme"
        do = "faults"
        refuse = { status = 503 }
    "#;
    let accounts = vec![AccountConfig { id: "acme".to_owned(), token: None }];
    let scenario = Some(scenario.parse().unwrap());
    let bed = TestBed::start(SimulatorConfig { accounts, scenario, ..SimulatorConfig::default() });
    bed.until("/control/accounts/acme", |account| account["pending"] == 3).await;
    bed.until("/control/accounts/acme", |account| account["faults"].as_object().unwrap().is_empty()).await;
    let mut line = bed.connect("acme").await;
    for _ in 0..3 {
        assert_eq!(push(&mut line).await.title, "first");
    }
}

#[actix_web::test]
async fn a_step_may_be_done_for_ever_and_one_that_fails_ends_nothing() {
    let scenario = r#"
        [[step]]
        at = "0s"
        account = "nobody"
        do = "cut"
        repeat = { every = "1ms" }

        [[step]]
        at = "0s"
        account = "acme"
        do = "cut"
        close = 4001
        repeat = { every = "10ms" }
    "#;
    let accounts = vec![AccountConfig { id: "acme".to_owned(), token: None }];
    let scenario = Some(scenario.parse().unwrap());
    let bed = TestBed::start(SimulatorConfig { accounts, scenario, ..SimulatorConfig::default() });
    for _ in 0..3 {
        assert_eq!(ending(bed.connect("acme").await).await, Some(4001));
    }
}

#[actix_web::test]
async fn chaos_and_load_and_frames_are_steps_too() {
    let scenario = r#"
        [[step]]
        at = "0s"
        accounts = 2
        do = "load"
        per_second = 1000
        seconds = 0.01

        [[step]]
        at = "0s"
        accounts = ["t0", "t1"]
        do = "chaos"
        seed = 1
        per_second = 1000
        seconds = 0.01

        [[step]]
        at = "50ms"
        do = "end_chaos"

        [[step]]
        at = "50ms"
        do = "forget"

        [[step]]
        at = "50ms"
        account = "t0"
        do = "frame"
        frame = "pings"
        count = 3
        repeat = { every = "50ms", times = 2 }
    "#;
    let scenario: Scenario = scenario.parse().unwrap();
    assert_eq!((scenario.len(), scenario.is_empty()), (5, false));
    let bed = TestBed::start(SimulatorConfig { scenario: Some(scenario), ..SimulatorConfig::default() });
    bed.until("/control/load", |load| load["sent"] == 10).await;
    bed.until("/control/chaos", |chaos| chaos["struck"] == 10 && chaos["done"] == true).await;
    bed.until("/control/stats", |stats| stats["pushes"] == 10 && stats["pending"] == 0).await;
}

#[actix_web::test]
async fn the_example_is_a_scenario_for_the_accounts_of_the_demo() {
    let example: Scenario = include_str!("../../../../config/scenario.toml").parse().unwrap();
    assert!(!example.is_empty());
    let accounts = ["acme", "globex", "initech"].map(|id| AccountConfig { id: id.to_owned(), token: None }).to_vec();
    let bed = TestBed::start(SimulatorConfig { accounts, scenario: Some(example), ..SimulatorConfig::default() });
    bed.until("/control/accounts/acme", |account| account["pending"] != 0).await;
    assert_eq!(bed.delete("/control/pushes").await, StatusCode::NO_CONTENT);
}

#[test]
fn every_mistake_is_listed_with_its_line() {
    let found = mistakes(
        r#"colour = "red"

[[step]]
at = "soon"
account = "acme"
do = "push"
titel = "t"
body = "b"
wind = 1

[[step]]
account = "acme"
do = "fly"

[[step]]
at = "1s"
do = "cut"
close = 5

[[step]]
at = "1s"
accounts = ["a"]
account = "b"
do = "faults"
fragments = 1
repeat = { every = "0s" }
"#,
    );
    let expected = [
        "line 1: unknown key `colour`, expected [[step]]",
        "line 3: missing field `title`",
        "line 4: at: ",
        "line 7: unknown field `titel`, expected one of",
        "line 9: unknown field `wind`, expected one of",
        "line 11: `at` is missing",
        "line 11: unknown do `fly`, expected one of push, cut,",
        "line 15: `account` or `accounts` is missing",
        "line 20: repeat.every is 1ms or more",
        "line 20: a step has `account` or `accounts`, not both",
        "line 20: fragments is 2 to 1000",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
}

#[test]
fn what_is_no_toml_or_has_no_step_is_a_mistake() {
    assert_eq!(mistakes(""), ["line 1: there is no [[step]]"]);
    assert_eq!(mistakes("step = 1"), ["line 1: a step is a table: [[step]]"]);
    assert!(mistakes("\n[[step]\n")[0].starts_with("line 2: "));
}
