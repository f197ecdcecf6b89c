use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::dev::Service;
use tokio::task::spawn_local;

/// Connections that a worker thread takes before everything else on it has its turn. When thousands come at once they wait in
/// the kernel, as far as they have to, and not each live stream behind all of them.
const AT_A_TIME: usize = 16;

/// Serves connections as the service within does, a few at a time. Call inside a `LocalSet`.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    service: S,
    turn: Rc<Turn>,
}

/// Whose turn it is on the thread.
#[derive(Debug, Default)]
struct Turn {
    taken: Cell<usize>,
    /// The thread does other things first.
    is_over: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Turn {
    /// Comes again after all that is ready now.
    fn end(self: &Rc<Self>) {
        self.taken.set(0);
        self.is_over.set(true);
        let turn = Rc::clone(self);
        spawn_local(async move {
            turn.is_over.set(false);
            if let Some(waiting) = turn.waiting.take() {
                waiting.wake();
            }
        });
    }
}

impl<S> Paced<S> {
    pub(crate) fn new(service: S) -> Self {
        Self { service, turn: Rc::default() }
    }
}

impl<C, S: Service<C>> Service<C> for Paced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.turn.taken.get() >= AT_A_TIME {
            self.turn.end();
        }
        // The server asks twice in a row when it is told no.
        if self.turn.is_over.get() {
            self.turn.waiting.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        self.service.poll_ready(cx)
    }

    fn call(&self, connection: C) -> Self::Future {
        self.turn.taken.set(self.turn.taken.get() + 1);
        self.service.call(connection)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, poll_fn, ready};

    use actix_service::IntoService as _;
    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn after_a_few_connections_others_have_their_turn() {
        let paced = Paced::new((|_: u8| -> Ready<Result<(), ()>> { ready(Ok(())) }).into_service());
        let served = async {
            let others = Rc::new(Cell::new(0));
            for _ in 0..3 {
                for _ in 0..AT_A_TIME {
                    poll_fn(|cx| paced.poll_ready(cx)).await.unwrap();
                    paced.call(0).await.unwrap();
                }
                let mut cx = Context::from_waker(Waker::noop());
                let other = Rc::clone(&others);
                spawn_local(async move { other.set(other.get() + 1) });
                assert!(paced.poll_ready(&mut cx).is_pending());
                assert!(paced.poll_ready(&mut cx).is_pending(), "asking again changes nothing");
                poll_fn(|cx| paced.poll_ready(cx)).await.unwrap();
                assert_eq!(others.get(), 1, "what was ready came first");
                others.set(0);
            }
        };
        LocalSet::new().run_until(served).await;
    }
}
