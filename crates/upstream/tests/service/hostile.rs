//! Frames that no decent service sends: what stays, what is cut, and that nobody else notices.

use pushgate_model::ConnectionState;

use crate::{
    duo::Duo,
    frames::{BINARY, CONTINUATION, FIN, PING, TEXT, binary, field, fragments, frame, header, masked, push, push_with},
    gateway::{Gateway, MAX_MESSAGE, config, run},
    service::Service,
};

/// Of a message that is too long so much is kept.
const HEAD: usize = 64 << 10;
const MASK: [u8; 4] = [1, 2, 3, 4];

/// Acme's service sends each of these as a message of its own; what of it lies in quarantine, by reason and id.
async fn quarantined(messages: &[&[u8]]) -> (Duo, Vec<(String, Option<String>)>) {
    let mut duo = Duo::start(&config()).await;
    for message in messages {
        duo.peer.binary(message).await;
    }
    let found = duo.gateway.quarantined(messages.len()).await;
    let entry = |entry: &pushgate_journal::Quarantined| {
        (entry.reason.clone(), entry.push_id.as_ref().map(|id| id.as_str().to_owned()))
    };
    let entries = found.iter().map(entry).collect();
    (duo, entries)
}

#[test]
fn a_text_is_ignored_and_counted() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.stays_after(&[frame(FIN | TEXT, b"hello"), fragments(TEXT, &[b"he", b"", b"llo"])].concat()).await;
        assert_eq!(duo.gateway.ignored("text"), 2);
        assert!(duo.gateway.quarantined(0).await.is_empty());
    });
}

#[test]
fn an_unknown_variant_is_ignored_and_counted() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.stays_after(&[binary(&field(2, b"new")), binary(b"")].concat()).await;
        assert_eq!(duo.gateway.ignored("unknown"), 2);
        assert!(duo.gateway.quarantined(0).await.is_empty());
    });
}

#[test]
fn an_unknown_field_does_not_keep_a_push_from_being_stored() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        let push = field(1, &[field(1, b"a"), field(9, b"new")].concat());
        duo.peer.binary(&[push, field(7, b"new")].concat()).await;
        assert_eq!(duo.peer.answer().await, ("a".to_owned(), true));
        duo.stays_after(b"").await;
    });
}

#[test]
fn what_names_no_push_is_quarantined_without_an_answer() {
    run(async {
        let (empty, long) = (push(""), push(&"x".repeat(4097)));
        let broken = field(1, &field(1, &[0xff, 0xfe]));
        let (mut duo, entries) = quarantined(&[&empty, &long, &broken, &[0xff; 100]]).await;
        let unnamed = |reason: &str| (reason.to_owned(), None);
        assert_eq!(
            entries,
            [unnamed("missing_id"), unnamed("id_too_long"), unnamed("malformed"), unnamed("malformed")]
        );
        duo.stays_after(b"").await;
    });
}

#[test]
fn what_is_broken_but_names_a_push_is_quarantined_and_refused() {
    run(async {
        let title = field(1, &[field(1, b"a"), field(3, &[0xff])].concat());
        let cut_off = [&field(1, b"b")[..], &[4 << 3 | 2, 100]].concat();
        let body = field(1, &cut_off);
        let long = "x".repeat(257);
        let (mut duo, entries) = quarantined(&[&title, &body, &push(&long)]).await;
        let named = |reason: &str, id: &str| (reason.to_owned(), Some(id.to_owned()));
        assert_eq!(entries, [named("malformed", "a"), named("malformed", "b"), named("id_too_long", &long)]);
        for id in ["a", "b", &long] {
            assert_eq!(duo.peer.answer().await, (id.to_owned(), false));
        }
        duo.stays_after(b"").await;
    });
}

#[test]
fn a_message_over_the_limit_is_read_past_and_quarantined() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        let long = push_with("long", &"x".repeat(MAX_MESSAGE));
        let (first, rest) = long.split_at(1000);
        duo.peer.binary(&long).await;
        assert_eq!(duo.peer.answer().await, ("long".to_owned(), false));
        duo.peer.raw(&fragments(BINARY, &[first, rest])).await;
        assert_eq!(duo.peer.answer().await, ("long".to_owned(), false));
        let entry = &duo.gateway.quarantined(1).await[0];
        assert_eq!((entry.reason.as_str(), entry.size, entry.count), ("too_large", long.len() as u64, 2));
        let raw = pushgate_journal::Journal::quarantined(&*duo.gateway.journal, entry.id).await.unwrap().unwrap().raw;
        assert_eq!(raw, long[..HEAD]);
        duo.stays_after(b"").await;
    });
}

#[test]
fn a_message_that_declares_far_too_much_is_cut_before_a_byte_of_it_came() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.is_cut_after(&header(FIN | BINARY, 1 << 40), 1009).await;
        duo.gateway.went_through("acme", "too_big").await;
        assert!(duo.gateway.quarantined(0).await.is_empty());
    });
}

#[test]
fn fragments_without_end_are_cut_and_never_hold_more_than_a_head() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        // What a message over the limit is known to be holds its first bytes only.
        let begun = [frame(BINARY, &[7; 1000]), frame(CONTINUATION, &[7; 1000]).repeat(MAX_MESSAGE / 1000)].concat();
        duo.stays_open_with(&begun).await;
        let held = duo.gateway.metrics.in_flight_bytes.get();
        assert!(held > 0 && held.cast_unsigned() <= HEAD as u64, "{held}");
        let endless = frame(CONTINUATION, &[7; 1000]).repeat(16 * MAX_MESSAGE / 1000);
        duo.is_cut_after(&endless, 1009).await;
        assert_eq!(duo.gateway.metrics.in_flight_bytes.get(), 0);
    });
}

#[test]
fn empty_fragments_are_read_by_the_hundred_thousand() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        let push = push("a");
        let (first, last) = push.split_at(10);
        let fragments =
            [frame(BINARY, first), frame(CONTINUATION, b"").repeat(100_000), frame(FIN | CONTINUATION, last)].concat();
        tokio::join!(duo.peer.raw(&fragments), duo.neighbour.is_acked("n"));
        assert_eq!(duo.peer.answer().await, ("a".to_owned(), true));
        duo.stays_after(b"").await;
    });
}

#[test]
fn a_masked_frame_is_cut() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.is_cut_after(&masked(FIN | BINARY, MASK, &push("a")), 1002).await;
        duo.gateway.went_through("acme", "protocol").await;
        assert_eq!(duo.gateway.until("acme", |_| true).await.pushes, 1, "the one after the cut");
    });
}

#[test]
fn a_long_control_frame_is_cut() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.is_cut_after(&frame(FIN | PING, &[0; 126]), 1002).await;
    });
}

#[test]
fn a_close_with_broken_text_is_cut() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.is_cut_after(&frame(FIN | crate::frames::CLOSE, b"\x03\xe8\xc3\x28"), 1007).await;
    });
}

#[test]
fn what_came_before_a_broken_frame_counts() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.peer.raw(&[binary(&push("a")), masked(FIN | PING, MASK, b"")].concat()).await;
        duo.gateway.until("acme", |acme| acme.pushes == 1).await;
        duo.peer = duo.acme.accept().await;
        duo.peer.is_acked("a").await;
        assert_eq!(duo.gateway.until("acme", |acme| acme.duplicates == 1).await.pushes, 1);
    });
}

#[test]
fn every_ping_of_thousands_is_answered_in_its_turn() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        let pings: Vec<u8> = (0..5000u32).flat_map(|n| frame(FIN | PING, &n.to_be_bytes())).collect();
        duo.peer.raw(&pings).await;
        duo.neighbour.is_acked("n").await;
        for n in 0..5000u32 {
            assert_eq!(duo.peer.ponged().await, n.to_be_bytes());
        }
        duo.stays_after(b"").await;
    });
}

#[test]
fn what_comes_in_one_piece_with_the_upgrade_is_stored() {
    run(async {
        let service = Service::bind().await;
        let gateway = Gateway::start(&config(), &[("acme", &service)]);
        let burst: Vec<u8> = (0..20).flat_map(|n| binary(&push(&n.to_string()))).collect();
        let mut peer = service.accept_with(&burst).await;
        for n in 0..20 {
            assert_eq!(peer.answer().await, (n.to_string(), true));
        }
        gateway.shows("acme", ConnectionState::Connected, None).await;
    });
}

#[test]
fn what_is_broken_right_behind_the_upgrade_was_never_connected() {
    run(async {
        let service = Service::bind().await;
        let gateway = Gateway::start(&config(), &[("acme", &service)]);
        let mut peer = service.accept_with(&frame(FIN | 0x3, b"")).await;
        assert_eq!(peer.closed().await, Some(1002));
        let mut peer = service.accept().await;
        assert!(gateway.transitions("acme").iter().all(|one| one.state != ConnectionState::Connected));
        peer.is_acked("a").await;
    });
}

impl Duo {
    /// Acme's service says this, the beginning of something. The connection is there afterwards.
    async fn stays_open_with(&mut self, bytes: &[u8]) {
        self.peer.raw(bytes).await;
        self.peer.ping(b"there?").await;
        assert_eq!(self.peer.ponged().await, b"there?");
    }
}
