//! Where a stream starts, for every form of a cursor: what is told, in which order, and what follows.

use pushgate_journal::Journal as _;
use pushgate_model::Seq;
use serde_json::{Value, json};

use crate::{client::Stream, gateway::Gateway};

const BOTH: &str = "/events?tenant=acme&tenant=globex";

/// What a stream begins with: the data of a `gap` before `open`, the id of `open`, and the seqs of the pushes that were
/// committed before it opened.
type Beginning = (Option<Value>, String, Vec<u64>);

/// `acme` has 1, 3, 5, 7 and `globex` has 2, 4, 6, 8, received at 1 to 8 s after 1970. Of `acme` 1 and 3 are gone.
fn trimmed() -> Gateway {
    let gateway = Gateway::start();
    for seq in 1..=8 {
        gateway.commit_at(if seq % 2 == 1 { "acme" } else { "globex" }, &format!("p-{seq}"), seq * 1_000);
    }
    gateway.journal.trim(&"acme".parse().unwrap(), Seq::new(3).unwrap());
    gateway
}

/// Opens a stream and reads it up to pushes that are committed after it opened. `NOW` stands for the newest seq before.
fn begin(gateway: &Gateway, path: &str, headers: &[&str]) -> Beginning {
    let now = gateway.journal.head().get();
    let (mut stream, head) = Stream::events(gateway.public, path, headers);
    assert_eq!(head.status, 200, "{path}");
    let mut text = stream.until("event: open");
    let last = format!("last-{now}");
    for tenant in ["acme", "globex"] {
        gateway.commit_at(tenant, &last, 9_000);
    }
    text.push_str(&stream.until(&last));
    let (mut gap, mut open, mut pushes) = (None, String::new(), Vec::new());
    for event in text.split_terminator("\n\n") {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = || serde_json::from_str::<Value>(field("data").unwrap()).unwrap();
        match field("event") {
            Some("gap") => {
                assert!(open.is_empty() && gap.is_none() && field("id").is_none(), "{text}");
                gap = Some(data());
            }
            Some("open") => open = field("id").unwrap().replace(&format!("-{now}"), "-NOW"),
            None if field("id").is_some() => pushes.extend(data()["seq"].as_u64().filter(|seq| *seq <= 8)),
            _ => {}
        }
    }
    (gap, open, pushes)
}

fn gap(reason: &str, requested: &str, oldest: &str) -> Value {
    json!({ "reason": reason, "requested": requested, "oldest": oldest })
}

#[test]
fn a_cursor_leads_to_replay_or_to_a_gap_and_then_on() {
    // path, header, gap, open, pushes
    let table: [(&str, &str, Beginning); 15] = [
        ("/events/acme", "", (None, "memory-NOW".into(), vec![])),
        ("/events/acme", "memory-3", (None, "memory-3".into(), vec![5, 7])),
        ("/events/globex", "memory-6", (None, "memory-6".into(), vec![8])),
        ("/events/acme", "memory-7", (None, "memory-7".into(), vec![])),
        ("/events/acme", "memory-2", (Some(gap("expired", "memory-2", "memory-5")), "memory-4".into(), vec![5, 7])),
        ("/events/acme", "memory-999", (Some(gap("ahead", "memory-999", "memory-5")), "memory-NOW".into(), vec![])),
        ("/events/acme", "other-2", (Some(gap("unknown", "other-2", "memory-5")), "memory-4".into(), vec![5, 7])),
        ("/events/acme", "other-99", (Some(gap("unknown", "other-99", "memory-5")), "memory-4".into(), vec![5, 7])),
        ("/events/acme", "memory-03", (Some(gap("malformed", "memory-03", "memory-5")), "memory-NOW".into(), vec![])),
        ("/events/acme", "null", (Some(gap("malformed", "null", "memory-5")), "memory-NOW".into(), vec![])),
        // What one tenant lost is no gap to a stream of another.
        ("/events/globex", "memory-0", (None, "memory-0".into(), vec![2, 4, 6, 8])),
        // Of several each keeps what it has.
        (BOTH, "memory-1", (Some(gap("expired", "memory-1", "memory-2")), "memory-1".into(), vec![2, 4, 5, 6, 7, 8])),
        (BOTH, "memory-2", (Some(gap("expired", "memory-2", "memory-2")), "memory-2".into(), vec![4, 5, 6, 7, 8])),
        (BOTH, "memory-3", (None, "memory-3".into(), vec![4, 5, 6, 7, 8])),
        (BOTH, "other-3", (Some(gap("unknown", "other-3", "memory-2")), "memory-1".into(), vec![2, 4, 5, 6, 7, 8])),
    ];
    let gateway = trimmed();
    for (path, cursor, expected) in table {
        let header = format!("Last-Event-ID: {cursor}");
        assert_eq!(begin(&gateway, path, &[&header]), expected, "{path} {cursor}");
    }
}

#[test]
fn since_takes_a_time_a_cursor_or_earliest() {
    let live = || (None, "memory-NOW".to_owned(), vec![]);
    let table: [(String, Beginning); 12] = [
        ("/events/globex?since=earliest".into(), (None, "memory-1".into(), vec![2, 4, 6, 8])),
        ("/events/acme?since=earliest".into(), (None, "memory-4".into(), vec![5, 7])),
        ("/events/acme?since=memory-5".into(), (None, "memory-5".into(), vec![7])),
        ("/events/globex?since=1970-01-01T00:00:04Z".into(), (None, "memory-3".into(), vec![4, 6, 8])),
        ("/events/globex?since=1970-01-01T00:00:04.001Z".into(), (None, "memory-5".into(), vec![6, 8])),
        ("/events/globex?since=1970-01-01T02:00:04+02:00".into(), (None, "memory-3".into(), vec![4, 6, 8])),
        ("/events/globex?since=1969-12-31T00:00:00Z".into(), (None, "memory-1".into(), vec![2, 4, 6, 8])),
        ("/events/globex?since=2026-11-24T13:42:07Z".into(), live()),
        ("/events/globex?since=9999-12-31T23:59:59Z".into(), live()),
        // Of acme's some may be gone that were received then; of the time after its oldest kept one all are there.
        (
            "/events/acme?since=1970-01-01T00:00:04Z".into(),
            (Some(gap("expired", "1970-01-01T00:00:04.000Z", "memory-5")), "memory-4".into(), vec![5, 7]),
        ),
        ("/events/acme?since=1970-01-01T00:00:06Z".into(), (None, "memory-6".into(), vec![7])),
        (
            format!("{BOTH}&since=1970-01-01T00:00:04Z"),
            (Some(gap("expired", "1970-01-01T00:00:04.000Z", "memory-2")), "memory-3".into(), vec![4, 5, 6, 7, 8]),
        ),
    ];
    let gateway = trimmed();
    for (path, expected) in table {
        assert_eq!(begin(&gateway, &path, &[]), expected, "{path}");
    }
}

#[test]
fn the_first_that_is_not_empty_counts() {
    let table: [(&[&str], &str, &str); 8] = [
        (&["Last-Event-ID: memory-7"], "?last_event_id=memory-6&since=earliest", "memory-7"),
        (&["Last-Event-ID:"], "?last_event_id=memory-6&lastEventId=memory-5", "memory-6"),
        (&[], "?last_event_id=&lastEventId=memory-5&since=memory-4", "memory-5"),
        (&[], "?since=memory-4&last_event_id=", "memory-4"),
        (&[], "?since=&since=memory-4", "memory-4"),
        (&[], "?since=memory-4&since=memory-6", "memory-4"),
        (&["Last-Event-ID: "], "?last_event_id=&lastEventId=&since=", "memory-NOW"),
        (&[], "?LAST_EVENT_ID=memory-4&Since=memory-4", "memory-NOW"),
    ];
    let gateway = trimmed();
    for (headers, query, expected) in table {
        assert_eq!(begin(&gateway, &format!("/events/acme{query}"), headers).1, expected, "{headers:?} {query}");
    }
}

kept!(a_cursor_leads_to_replay_or_to_a_gap_and_then_on, since_takes_a_time_a_cursor_or_earliest,);
