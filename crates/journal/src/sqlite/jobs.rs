use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many short jobs in a row, and then a long one gets its turn: neither lane can starve the other.
const SHORT_IN_A_ROW: u32 = 16;

/// Which lane a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// It looks at a few rows. A stream that begins does not stand in line behind thousands that replay.
    Short,
    /// It reads a page.
    Long,
}

/// Jobs for a few threads, in two lanes. A full lane lets callers wait, first come first served.
pub(super) struct Jobs<J> {
    lanes: Mutex<Lanes<J>>,
    filled: Condvar,
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

struct Lanes<J> {
    short: VecDeque<Waiting<J>>,
    long: VecDeque<Waiting<J>>,
    /// Short jobs that were taken since the last long one.
    in_a_row: u32,
    closed: bool,
}

struct Waiting<J> {
    job: J,
    /// Its place, which the next one gets once this is taken.
    _place: OwnedSemaphorePermit,
}

/// Nobody takes jobs any more.
#[derive(Debug)]
pub(super) struct JobsClosed;

impl<J> Jobs<J> {
    /// Each lane has room for so many jobs.
    pub(super) fn new(capacity: usize) -> Self {
        let room = || Arc::new(Semaphore::new(capacity.max(1)));
        let lanes = Lanes { short: VecDeque::new(), long: VecDeque::new(), in_a_row: 0, closed: false };
        Self { lanes: Mutex::new(lanes), filled: Condvar::new(), short: room(), long: room() }
    }

    /// Puts a job into a lane, once there is room.
    pub(super) async fn put(&self, lane: Lane, job: J) -> Result<(), JobsClosed> {
        let room = match lane {
            Lane::Short => &self.short,
            Lane::Long => &self.long,
        };
        let place = Arc::clone(room).acquire_owned().await.map_err(|_| JobsClosed)?;
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(JobsClosed);
        }
        let waiting = Waiting { job, _place: place };
        match lane {
            Lane::Short => lanes.short.push_back(waiting),
            Lane::Long => lanes.long.push_back(waiting),
        }
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes the next job; waits for one. Nothing once it was closed and all were taken.
    pub(super) fn take(&self) -> Option<J> {
        let mut lanes = self.lanes();
        loop {
            if let Some(waiting) = lanes.next() {
                return Some(waiting.job);
            }
            if lanes.closed {
                return None;
            }
            lanes = self.filled.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no further jobs; those that wait are still done.
    pub(super) fn close(&self) {
        self.lanes().closed = true;
        self.short.close();
        self.long.close();
        self.filled.notify_all();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes<J>> {
        // Under the lock jobs are only moved in or out.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Lanes<J> {
    fn next(&mut self) -> Option<Waiting<J>> {
        if self.in_a_row < SHORT_IN_A_ROW
            && let Some(job) = self.short.pop_front()
        {
            self.in_a_row += 1;
            return Some(job);
        }
        self.in_a_row = 0;
        self.long.pop_front().or_else(|| self.short.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use futures_util::FutureExt as _;

    use super::*;

    fn put(jobs: &Jobs<u32>, lane: Lane, job: u32) {
        jobs.put(lane, job).now_or_never().expect("there is room").unwrap();
    }

    #[test]
    fn short_jobs_go_first_and_long_ones_get_their_turn() {
        let jobs = Jobs::new(100);
        for job in 0..3 {
            put(&jobs, Lane::Long, job);
        }
        for job in 100..140 {
            put(&jobs, Lane::Short, job);
        }
        jobs.close();
        let taken: Vec<_> = std::iter::from_fn(|| jobs.take()).collect();
        let expected: Vec<_> = (100..116).chain([0]).chain(116..132).chain([1]).chain(132..140).chain([2]).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_full_lane_lets_its_own_callers_wait_in_order() {
        let jobs = Jobs::new(1);
        put(&jobs, Lane::Long, 1);
        let mut second = Box::pin(jobs.put(Lane::Long, 2));
        let mut third = Box::pin(jobs.put(Lane::Long, 3));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        put(&jobs, Lane::Short, 4);
        assert_eq!((jobs.take(), jobs.take()), (Some(4), Some(1)));
        assert!(third.as_mut().now_or_never().is_none(), "the second was there before");
        second.now_or_never().unwrap().unwrap();
        assert_eq!(jobs.take(), Some(2));
        third.now_or_never().unwrap().unwrap();
        assert_eq!(jobs.take(), Some(3));
    }

    #[test]
    fn closing_frees_all_who_wait_and_loses_nothing() {
        let jobs = Arc::new(Jobs::new(1));
        put(&jobs, Lane::Long, 1);
        let mut waiting = Box::pin(jobs.put(Lane::Long, 2));
        assert!(waiting.as_mut().now_or_never().is_none());
        jobs.close();
        assert!(waiting.now_or_never().unwrap().is_err());
        assert!(jobs.put(Lane::Short, 3).now_or_never().unwrap().is_err());
        assert_eq!((jobs.take(), jobs.take()), (Some(1), None));

        let jobs: Arc<Jobs<u32>> = Arc::new(Jobs::new(1));
        let taker = thread::spawn({
            let jobs = Arc::clone(&jobs);
            move || jobs.take()
        });
        jobs.close();
        assert_eq!(taker.join().unwrap(), None);
    }
}
