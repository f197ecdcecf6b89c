use actix_web::http::header::{HeaderMap, HeaderName};
use pushgate_fanout::Resume;

use crate::query::Query;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Parameters that may hold a cursor, the first one that is not empty counts: our own name, that of the usual
/// polyfills, and the short one for people.
const PARAMETERS: [&str; 3] = ["last_event_id", "lastEventId", "since"];

/// The value that asks for all that is kept.
const EARLIEST: &str = "earliest";

/// How much of a text that is no cursor is given back to whoever sent it; a cursor has at most 49 bytes.
const ECHO_BYTES: usize = 128;

/// Where a stream starts: by the `Last-Event-ID` header, which a browser sends on its own reconnects and which is
/// therefore newer than the query of its unchanged URL, else by the query. Empty counts as absent.
pub(crate) fn resume(headers: &HeaderMap, query: &Query) -> Resume {
    let header = headers.get(LAST_EVENT_ID).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(text) = header.as_deref().filter(|text| !text.is_empty()) {
        return cursor(text);
    }
    match PARAMETERS.iter().find_map(|name| query.get(name)) {
        None => Resume::Live,
        Some(EARLIEST) => Resume::Earliest,
        Some(text) => cursor(text),
    }
}

fn cursor(text: &str) -> Resume {
    match text.parse() {
        Ok(cursor) => Resume::After(cursor),
        Err(_) => Resume::Malformed(text[..text.floor_char_boundary(ECHO_BYTES)].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderValue, test::TestRequest};

    use super::*;

    fn read(header: Option<&[u8]>, query: &str) -> Resume {
        let request = TestRequest::with_uri(&format!("/events/acme?{query}")).to_http_request();
        let mut headers = request.headers().clone();
        if let Some(value) = header {
            headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(value).expect("a header value"));
        }
        resume(&headers, &Query::of(&request))
    }

    fn after(text: &str) -> Resume {
        Resume::After(text.parse().expect("a cursor"))
    }

    fn malformed(text: &str) -> Resume {
        Resume::Malformed(text.to_owned())
    }

    #[test]
    fn the_header_wins_and_empty_counts_as_none() {
        let table: [(Option<&[u8]>, &str, Resume); 14] = [
            (None, "", Resume::Live),
            (Some(b""), "", Resume::Live),
            (Some(b"a-1"), "", after("a-1")),
            (Some(b"a-1"), "last_event_id=a-2", after("a-1")),
            (Some(b""), "last_event_id=a-2", after("a-2")),
            (None, "last_event_id=&lastEventId=a-3", after("a-3")),
            (None, "since=a-4&lastEventId=a-3", after("a-3")),
            (None, "since=a-4", after("a-4")),
            (None, "since=", Resume::Live),
            (None, "since=earliest", Resume::Earliest),
            (Some(b"a-1"), "since=earliest", after("a-1")),
            (Some(b"earliest"), "", malformed("earliest")),
            (None, "since=yesterday", malformed("yesterday")),
            (Some(b"\xff\xfe"), "since=a-4", malformed("\u{fffd}\u{fffd}")),
        ];
        for (header, query, expected) in table {
            assert_eq!(read(header, query), expected, "{header:?} {query}");
        }
    }

    #[test]
    fn a_huge_cursor_is_not_echoed_in_full() {
        let Resume::Malformed(text) = read(Some("é".repeat(4000).as_bytes()), "") else { panic!("not a cursor") };
        assert_eq!(text.len(), ECHO_BYTES);
    }
}
