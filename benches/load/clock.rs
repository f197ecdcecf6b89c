use rustix::time::{ClockId, clock_gettime};

/// The nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share: the simulator stamps pushes with it.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
