use proptest::{prelude::*, sample::Index};

use super::*;

mod journal;
mod judge;

use judge::Judge;

/// What the world does next.
#[derive(Clone, Debug)]
enum Event {
    Push(u8),
    /// A push that can't be accepted, with or without an id that can be scanned.
    Broken(Option<u8>),
    /// A frame that asks for nothing to be stored.
    Other(Frame),
    /// The journal is done with something that it was given.
    Commit(Index, Wish),
    /// A subscriber posts a word.
    Word(u8, Answer),
    /// Pushes were written to a subscriber.
    Deliver(u64, u64),
    /// The journal is done with an answer that it was to record; it can write, or not.
    Settle(Index, bool),
    /// Time with the ticks that were asked for.
    Pass(u32),
    /// This process stands still: one tick, long after its time.
    Stall(u32),
    End(Ending),
    Dial,
    Upgrade,
    Operator(Operator),
    Room(Room),
    Answers(Option<Answer>, u32),
}

/// What is to become of a push.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// By policy.
    Answer(Answer),
    Await,
    Mute,
    Fail,
}

/// What an operator asks for, or the end of the gateway.
#[derive(Clone, Copy, Debug)]
enum Operator {
    Pause(&'static str),
    Resume,
    Reconnect,
    Drain,
}

fn ending() -> impl Strategy<Value = Ending> {
    let status = prop::sample::select(vec![302, 401, 403, 404, 429, 500, 503]);
    let retry_after = prop::option::of((0u64..2000).prop_map(Duration::from_secs));
    prop_oneof![
        4 => Just(Ending::Eof),
        3 => (status, retry_after).prop_map(|(status, retry_after)| Ending::Rejected { status, retry_after }),
        1 => Just(Ending::Requested),
    ]
}

fn operator() -> impl Strategy<Value = Operator> {
    prop_oneof![
        4 => prop::sample::select(vec!["operator", "disabled"]).prop_map(Operator::Pause),
        8 => Just(Operator::Resume),
        4 => Just(Operator::Reconnect),
        1 => Just(Operator::Drain),
    ]
}

fn word() -> impl Strategy<Value = Answer> {
    prop::sample::select(vec![Answer::Ack, Answer::Nack])
}

fn event() -> impl Strategy<Value = Event> {
    let wish = prop_oneof![
        3 => word().prop_map(Wish::Answer),
        4 => Just(Wish::Await),
        1 => Just(Wish::Mute),
        1 => Just(Wish::Fail),
    ];
    let other = prop::sample::select(vec![
        Frame::Pong,
        Frame::Text,
        Frame::Ping(Bytes::from_static(b"p")),
        Frame::Binary(Bytes::new()),
        Frame::Close(close(Some(1001))),
    ]);
    prop_oneof![
        120 => (0u8..12).prop_map(Event::Push),
        40 => prop::option::of(0u8..12).prop_map(Event::Broken),
        40 => other.prop_map(Event::Other),
        140 => (any::<Index>(), wish).prop_map(|(which, wish)| Event::Commit(which, wish)),
        30 => (0u8..12, word()).prop_map(|(id, word)| Event::Word(id, word)),
        20 => (0u64..30, 0u64..30).prop_map(|(after, upto)| Event::Deliver(after, upto)),
        40 => (any::<Index>(), prop::bool::weighted(0.8)).prop_map(|(which, writes)| Event::Settle(which, writes)),
        40 => (0u32..10_000).prop_map(Event::Pass),
        20 => (0u32..90_000).prop_map(Event::Pass),
        10 => (2_100u32..600_000).prop_map(Event::Stall),
        20 => ending().prop_map(Event::End),
        60 => Just(Event::Dial),
        50 => Just(Event::Upgrade),
        15 => operator().prop_map(Event::Operator),
        10 => prop::sample::select(vec![Room::Short, Room::Ample, Room::Ample]).prop_map(Event::Room),
        10 => (prop::option::of(word()), 1u32..60_000).prop_map(|(word, millis)| Event::Answers(word, millis)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(seed: u64, events in prop::collection::vec(event(), 0..300)) {
        let mut judge = Judge::new(seed)?;
        for event in events {
            judge.act(event)?;
        }
        judge.act(Event::Operator(Operator::Drain))?;
        judge.finish()?;
    }
}
