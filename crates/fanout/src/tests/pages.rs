//! Streams that replay the same tenants share pages of the journal.

use std::sync::atomic::Ordering;

use super::{gate::Mode, seam::tiny, seq, world::World};
use crate::{FanoutConfig, Resume, pages};

/// A log of so many pushes of `a`, and no stream.
fn stored(config: &FanoutConfig, shards: usize, pushes: usize) -> World {
    let mut world = World::new(config, shards);
    for _ in 0..pushes {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    world
}

/// A stream of `a` that knows where it starts.
fn join(world: &mut World, shard: usize, resume: Resume) -> usize {
    let index = world.streams.len();
    world.subscribe(shard, &["a"], resume);
    world.pass();
    world.poll(index, 2);
    assert_eq!(world.names(index).last(), Some(&"open"));
    index
}

/// Room for all that these tests replay.
fn roomy() -> FanoutConfig {
    FanoutConfig { replay_bytes: 1 << 20, ..tiny() }
}

/// How many reads one stream takes for so many pushes.
fn reads_alone(pushes: usize) -> usize {
    let mut world = stored(&roomy(), 1, pushes);
    let index = join(&mut world, 0, Resume::Earliest);
    world.poll(index, usize::MAX);
    world.gate.reads()
}

fn seqs(world: &World, index: usize) -> Vec<u64> {
    let events = world.streams[index].events.iter();
    events.filter(|(event, _)| event.is_push()).map(|(event, _)| event.seq()).collect()
}

#[test]
fn a_page_is_read_once_for_all_who_wait_for_it_on_any_thread() {
    let mut world = stored(&roomy(), 2, 20);
    let streams: Vec<_> = (0..6).map(|n| join(&mut world, n % 2, Resume::Earliest)).collect();
    world.gate.set(Mode::HeldAfter);
    for &index in &streams {
        world.poll(index, usize::MAX);
    }
    assert_eq!(world.gate.reads(), 1);
    world.settle();
    let all = seqs(&world, 0);
    assert!(all.len() == 22 && all.is_sorted());
    assert!(streams.iter().all(|&index| seqs(&world, index) == all));
    assert_eq!(world.gate.reads(), reads_alone(20));
}

#[test]
fn whoever_comes_a_little_later_finds_the_pages_and_joins_within_one() {
    let mut world = stored(&roomy(), 1, 20);
    let first = join(&mut world, 0, Resume::Earliest);
    world.poll(first, usize::MAX);
    let (all, reads) = (seqs(&world, first), world.gate.reads());
    for from in 1..all.len() {
        let resume = Resume::After(world.cursor(seq(all[from - 1])));
        let later = join(&mut world, 0, resume);
        world.poll(later, usize::MAX);
        assert_eq!(seqs(&world, later), all[from..], "from push {from}");
    }
    // One that stands behind the last push of a page does not know which one is the oldest kept after it.
    assert!(world.gate.reads() <= reads + 2, "{} reads after {reads}", world.gate.reads());
}

#[test]
fn streams_of_other_tenants_have_pages_of_their_own() {
    let mut world = stored(&roomy(), 1, 20);
    let first = join(&mut world, 0, Resume::Earliest);
    world.poll(first, usize::MAX);
    let reads = world.gate.reads();
    for tenants in [["a", "b"], ["b", "a"]] {
        world.subscribe(0, &tenants, Resume::Earliest);
    }
    world.settle();
    let more = world.gate.reads() - reads;
    assert!(seqs(&world, 2).len() > seqs(&world, first).len());
    assert_eq!(seqs(&world, 1), seqs(&world, 2));
    assert!(more > 0 && more <= reads + 4, "{more} reads, whichever tenant was named first");
}

#[test]
fn what_was_trimmed_or_purged_is_not_given_out_again() {
    for purge in [false, true] {
        let mut world = stored(&roomy(), 1, 20);
        let first = join(&mut world, 0, Resume::Earliest);
        let late = join(&mut world, 0, Resume::Earliest);
        world.poll(first, usize::MAX);
        let all = seqs(&world, first);
        let kept = if purge { &[] } else { &all[13..] };
        if purge {
            world.purge("a");
        } else {
            world.trim("a", seq(all[12]));
        }
        world.poll(late, usize::MAX);
        assert_eq!(world.names(late)[..2], ["open", "gap"], "purge: {purge}");
        assert_eq!(seqs(&world, late), kept, "purge: {purge}");
        assert_eq!(world.shared.metrics.gaps_expired.get(), 1);
    }
}

#[test]
fn a_read_that_a_trim_overtook_is_kept_for_nobody() {
    let mut world = stored(&roomy(), 1, 20);
    let first = join(&mut world, 0, Resume::Earliest);
    let late = join(&mut world, 0, Resume::Earliest);
    world.gate.set(Mode::HeldAfter);
    world.poll(first, usize::MAX);
    world.trim("a", seq(5));
    // It asks only now, so that it does not wait for a read that began before.
    world.poll(late, usize::MAX);
    assert_eq!(world.gate.reads(), 2);
    world.settle();
    assert!(seqs(&world, first)[0] <= 5);
    assert_eq!(world.names(late)[..2], ["open", "gap"]);
    assert!(seqs(&world, late)[0] > 5);
}

#[test]
fn all_who_wait_learn_that_the_journal_can_not_be_read_and_go_on() {
    let mut world = stored(&roomy(), 2, 20);
    let streams: Vec<_> = (0..4).map(|n| join(&mut world, n % 2, Resume::Earliest)).collect();
    world.gate.set(Mode::HeldBefore);
    for &index in &streams {
        world.poll(index, usize::MAX);
    }
    world.gate.set(Mode::Failing);
    assert!(streams.iter().all(|&index| world.is_woken(index)));
    for &index in &streams {
        assert_eq!(world.poll(index, usize::MAX), 0);
    }
    assert_eq!(world.gate.reads(), 1);
    world.settle();
    let all = seqs(&world, 0);
    assert!(all.len() == 22 && streams.iter().all(|&index| seqs(&world, index) == all));
}

#[test]
fn a_read_goes_on_without_the_stream_that_began_it() {
    let mut world = stored(&roomy(), 1, 20);
    let first = join(&mut world, 0, Resume::Earliest);
    let other = join(&mut world, 0, Resume::Earliest);
    world.gate.set(Mode::HeldAfter);
    world.poll(first, usize::MAX);
    world.poll(other, usize::MAX);
    world.streams.remove(first);
    world.settle();
    assert_eq!(seqs(&world, 0).len(), 22);
    assert_eq!(world.gate.reads(), reads_alone(20));
}

#[test]
fn a_stream_that_does_not_ask_for_the_page_it_waits_for_keeps_nobody_waiting() {
    let mut world = stored(&roomy(), 1, 20);
    let first = join(&mut world, 0, Resume::Earliest);
    let other = join(&mut world, 0, Resume::Earliest);
    world.gate.set(Mode::HeldAfter);
    world.poll(first, usize::MAX);
    world.poll(other, usize::MAX);
    world.gate.set(Mode::Open);
    // The first one began the read and is not asked again.
    world.poll(other, usize::MAX);
    assert_eq!(seqs(&world, other).len(), 22);
}

#[test]
fn what_is_kept_and_held_has_a_bound_and_an_end() {
    let config = FanoutConfig { replay_bytes: 4_000, replay_page: 1, ..tiny() };
    let mut world = stored(&config, 1, 60);
    let first = join(&mut world, 0, Resume::Earliest);
    world.poll(first, usize::MAX);
    let pages = &world.shared.pages;
    let (count, bytes) = pages.kept();
    assert!(count > 0 && bytes <= 2_000, "{count} pages of {bytes} bytes");
    assert!(pages.held() >= bytes);

    world.wall.store(pages::KEEP, Ordering::Relaxed);
    world.beat(500);
    assert_eq!((world.shared.pages.kept(), world.shared.pages.held()), ((0, 0), 0));

    let config = FanoutConfig { replay_bytes: 1 << 20, replay_page: 1, ..tiny() };
    let mut world = stored(&config, 1, pages::KEPT + 30);
    let first = join(&mut world, 0, Resume::Earliest);
    world.poll(first, usize::MAX);
    assert_eq!(world.shared.pages.kept().0, pages::KEPT);
}

#[test]
fn a_page_is_the_smaller_the_more_is_held() {
    let (room, apart) = (200_000, 300);
    let config =
        FanoutConfig { replay_bytes: room, replay_page: apart, replay_page_bytes: room, joined_write: 1, ..tiny() };
    let mut world = stored(&config, 1, 9 * apart);
    // Each stands elsewhere, holds its page and has written one push of it.
    let mut sizes = Vec::new();
    for n in 0..8 {
        let before = world.shared.pages.held();
        let resume = Resume::After(world.cursor(seq(10 + n * apart as u64)));
        let index = join(&mut world, 0, resume);
        assert_eq!(world.poll(index, 1), 1);
        sizes.push(world.shared.pages.held() - before);
    }
    assert!(sizes.is_sorted_by(|one, next| one >= next) && sizes[0] > 3 * sizes[7], "{sizes:?}");
    assert!(world.shared.pages.held() <= room, "{sizes:?}");
}
