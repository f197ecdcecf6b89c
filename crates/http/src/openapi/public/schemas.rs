//! What is written and read on the public listener: the domain's words, whose crates know nothing of HTTP.

use serde::Deserialize;
use utoipa::{
    ToResponse, ToSchema,
    openapi::{ContentBuilder, HeaderBuilder, RefOr, Response, ResponseBuilder},
};

/// A page of what is kept of a tenant, oldest first.
#[derive(ToSchema)]
pub(super) struct HistoryPage {
    pushes: Vec<StoredPush>,
    /// What `after` takes for the next page; null on the last one.
    #[schema(example = "5f3a9c01-1042")]
    next: Option<String>,
}

/// A push as in an event's `data`, with what only the history knows. `id`, `created_at`, `title` and `body` are the
/// service's text, unchanged and unchecked.
#[derive(ToSchema)]
struct StoredPush {
    /// Whose push it is.
    #[schema(example = "acme")]
    tenant: String,
    /// The service's id of it; a UUID by convention.
    id: String,
    /// The service's time; RFC 3339 by convention.
    created_at: String,
    title: String,
    body: String,
    /// When it reached the gateway.
    #[schema(format = DateTime)]
    received_at: String,
    /// Its position in the log.
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    seq: u64,
    /// Resumes a stream after this push.
    #[schema(example = "5f3a9c01-1042")]
    cursor: String,
    /// What the service is answered; null while that is open.
    #[schema(inline)]
    answer: Option<Answer>,
}

/// What stands for a token, once.
#[derive(ToSchema)]
pub(super) struct Ticket {
    /// For the parameter `ticket` of a stream.
    ticket: String,
    /// Seconds until it is of no use any more.
    #[schema(example = 30)]
    expires_in: u64,
}

/// What a subscriber says about a push.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    /// `ack`: it was handled. `nack`: it can't be.
    #[schema(inline)]
    status: Answer,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ack,
    Nack,
}

/// A stream, as long as it lasts.
pub(super) struct EventStream;

impl<'r> ToResponse<'r> for EventStream {
    fn response() -> (&'r str, RefOr<Response>) {
        let description = "Events and comments until either side ends. Where `Accept` names `text/event-stream`, a \
                           stream over a limit and one during a start or a drain is told here to come back, by a \
                           `retry:` and its end, because a browser gives up at any other status";
        let headers = [
            (
                "Set-Cookie",
                "After a ticket: by this cookie the browser's own reconnects are known, until the token ends",
            ),
            ("Cache-Control", "`no-store, no-transform`"),
            ("X-Accel-Buffering", "`no`: a proxy passes events on as they come"),
            ("X-Content-Type-Options", "`nosniff`"),
        ];
        let content = ContentBuilder::new().schema(Some(utoipa::schema!(String))).build();
        let response = ResponseBuilder::new().description(description).content("text/event-stream", content);
        let response = headers.into_iter().fold(response, |response, (name, value)| {
            let header = HeaderBuilder::new().schema(utoipa::schema!(String)).description(Some(value));
            response.header(name, header.build())
        });
        ("EventStream", response.build().into())
    }
}
