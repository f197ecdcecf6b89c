use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{HttpRequest, dev::Payload, http::Version, web};
use futures_util::Stream as _;

use crate::transport::Traffic;

/// Whether a subscriber gave up its stream on an HTTP/2 connection that goes on (`RST_STREAM`). With HTTP/1.1 the connection ends
/// then, and the framework sees it at once; here it only sees it when it writes.
///
/// The side of the stream by which a request's body comes knows it. Nobody is woken there once a request has come to its
/// end, so it is asked whenever something came on the connection.
pub(crate) struct Hangup {
    body: Payload,
    traffic: Rc<Traffic>,
    told: u64,
}

impl Hangup {
    /// Nothing where the framework sees it by itself.
    pub(crate) fn of(request: &HttpRequest, body: web::Payload) -> Option<Self> {
        let traffic = request.conn_data::<Rc<Traffic>>()?;
        (request.version() == Version::HTTP_2).then(|| Self {
            body: body.into_inner(),
            traffic: Rc::clone(traffic),
            told: 0,
        })
    }

    /// Whether nobody listens any more. The task is woken when it may be so.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let told = self.traffic.watch(self.told, cx.waker());
        if told == self.told {
            return false;
        }
        self.told = told;
        loop {
            match Pin::new(&mut self.body).poll_next(cx) {
                // A body that nobody asked for.
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) => return true,
                Poll::Ready(None) | Poll::Pending => return false,
            }
        }
    }
}

impl std::fmt::Debug for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hangup").field("told", &self.told).finish_non_exhaustive()
    }
}
