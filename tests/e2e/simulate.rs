//! The simulator as a process of its own.

use std::{net::SocketAddr, process::Stdio};

use pushgate_model::ConnectionState;
use pushgate_subscriber::get;

use crate::{
    process::{Process, free_addresses, output, pushgate},
    stack::{TestGateway, json, run, until},
};

const SCENARIO: &str = "\
[[step]]
at = \"0s\"
account = \"a\"
do = \"push\"
title = \"once\"
body = \"b\"

[[step]]
at = \"100ms\"
account = \"a\"
do = \"push\"
title = \"again and again\"
body = \"b\"
repeat = { every = \"50ms\" }
";

async fn control(addr: SocketAddr, path: &str) -> Option<serde_json::Value> {
    Some(json(&get(&format!("http://{addr}/control/{path}")).await.ok()?))
}

#[test]
fn a_simulator_plays_its_scenario_with_its_faults_and_ends_in_order() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scenario.toml");
        std::fs::write(&file, SCENARIO).unwrap();
        let [addr, _] = free_addresses();
        let mut command = pushgate();
        command.args(["simulate", "--bind", &addr.to_string(), "--faults", "b={\"refuse\":{\"status\":503}}"]);
        command.arg("--scenario").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        until("the simulator", || control(addr, "stats")).await;
        let gateway = TestGateway::start(folder.path(), &format!("ws://{addr}/ws/{{tenant}}"), "").await;
        let mut stream = gateway.subscribe("/events/a?since=earliest");
        assert_eq!(stream.push().await.title, "once");
        for _ in 0..3 {
            assert_eq!(stream.push().await.title, "again and again");
        }
        // The faults are of one account alone, and hold from the start.
        gateway.reaches("b", ConnectionState::Backoff).await;
        gateway.reaches("c", ConnectionState::Connected).await;
        assert_eq!(control(addr, "accounts/b").await.unwrap()["connects"], 0);
        process.signal("TERM");
        assert_eq!(process.ended().await.code(), Some(0));
        gateway.stop().await;
    });
}

#[test]
fn the_scenario_that_comes_with_pushgate_is_played() {
    run(async {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/scenario.toml");
        let [addr, _] = free_addresses();
        let mut command = pushgate();
        command.args(["simulate", "--bind", &addr.to_string(), "--scenario", file]);
        let mut process = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
        until("its first pushes", || async {
            let accounts = control(addr, "accounts").await?;
            let ids: Vec<_> = accounts["accounts"].as_array()?.iter().map(|account| account["id"].clone()).collect();
            (ids == ["acme", "globex", "initech"]).then_some(())
        })
        .await;
        process.signal("INT");
        assert_eq!(process.ended().await.code(), Some(0));
    });
}

#[test]
fn a_wrong_scenario_or_wrong_faults_exit_2_and_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, format!("{SCENARIO}\n[[step]]\nat = \"soon\"\ndo = \"forget\"\n")).unwrap();
    let file = file.to_str().unwrap();
    for (arguments, word) in [
        (["--scenario", file], "wrong.toml: line 17"),
        (["--scenario", "/nonexistent/scenario.toml"], "/nonexistent/scenario.toml"),
        (["--faults", "{\"fragments\":1}"], "fragments"),
    ] {
        let output = output(&[&["simulate", "--bind", "127.0.0.1:0"][..], &arguments].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(word), "{word} is missing in: {text}");
    }
}
