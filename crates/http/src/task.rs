use actix_web::{http::StatusCode, rt};

use crate::problem::Problem;

/// Runs what changes something to its end, also when whoever asked for it hangs up meanwhile: the framework drops a
/// handler then, wherever it waits.
///
/// # Errors
/// It panicked, or the thread ends.
pub(crate) async fn to_its_end<T: 'static>(change: impl Future<Output = T> + 'static) -> Result<T, Problem> {
    rt::spawn(change).await.map_err(|error| {
        tracing::error!(%error, "a change did not come to its end");
        Problem::Status(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use actix_web::rt::System;
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_change_goes_on_without_whoever_asked_for_it() {
        System::new().block_on(async {
            let (sender, go) = oneshot::channel::<()>();
            let (ended, end) = oneshot::channel();
            let mut change = Box::pin(to_its_end(async move {
                go.await.unwrap();
                ended.send(()).unwrap();
            }));
            assert!(change.as_mut().now_or_never().is_none(), "it has begun and waits");
            drop(change);
            sender.send(()).unwrap();
            end.await.unwrap();
        });
    }

    #[test]
    fn a_change_that_panics_is_an_error_and_the_thread_goes_on() {
        System::new().block_on(async {
            let failed = to_its_end(async { assert_eq!(1, 2, "a test asked for it") }).await;
            assert!(matches!(failed, Err(Problem::Status(StatusCode::INTERNAL_SERVER_ERROR))));
            let after = Rc::new(Cell::new(false));
            let set = Rc::clone(&after);
            to_its_end(async move { set.set(true) }).await.unwrap();
            assert!(after.get());
        });
    }
}
