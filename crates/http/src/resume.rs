use actix_web::http::header::{HeaderMap, HeaderName};
use pushgate_fanout::Resume;
use pushgate_model::Timestamp;

use crate::query::Query;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Parameters that may hold a cursor, the first one that is not empty counts: our own name, that of the usual
/// polyfills, and the short one for people.
const PARAMETERS: [&str; 3] = ["last_event_id", "lastEventId", SINCE];

/// The one that may also hold a time, for people have no cursor at hand. The others are filled in by programs, which do.
const SINCE: &str = "since";

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
    let named = PARAMETERS.iter().find_map(|name| Some((*name, query.get(name)?)));
    match named {
        None => Resume::Live,
        Some((_, EARLIEST)) => Resume::Earliest,
        Some((SINCE, text)) => time(text).unwrap_or_else(|| cursor(text)),
        Some((_, text)) => cursor(text),
    }
}

fn cursor(text: &str) -> Resume {
    match text.parse() {
        Ok(cursor) => Resume::After(cursor),
        Err(_) => Resume::Malformed(text[..text.floor_char_boundary(ECHO_BYTES)].to_owned()),
    }
}

/// A time as in RFC 3339; no cursor looks like one. The `+` of an offset that was not percent-encoded arrives as a space.
fn time(text: &str) -> Option<Resume> {
    let restored;
    let text = match text.len().checked_sub("+00:00".len()) {
        Some(offset) if text.as_bytes()[offset] == b' ' => {
            restored = format!("{}+{}", &text[..offset], &text[offset + 1..]);
            &restored
        }
        _ => text,
    };
    let time: Timestamp = text.parse().ok()?;
    // The beginning of all times asks for no more than there is.
    Some(if time.as_millis() == 0 { Resume::Earliest } else { Resume::Since(time) })
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
    fn since_takes_a_time_and_the_others_do_not() {
        let since = |millis| Resume::Since(Timestamp::from_millis(millis));
        let table = [
            ("since=2026-11-24T13:42:07Z", since(1_795_527_727_000)),
            ("since=2026-11-24t13:42:07.5z", since(1_795_527_727_500)),
            ("since=2026-11-24T15:42:07%2B02:00", since(1_795_527_727_000)),
            ("since=2026-11-24T15:42:07+02:00", since(1_795_527_727_000)),
            ("since=2026-11-24+15:42:07+02:00", since(1_795_527_727_000)),
            ("since=2026-11-24+13:42:07Z", since(1_795_527_727_000)),
            ("since=2026-11-24T08:42:07-05:00", since(1_795_527_727_000)),
            ("since=9999-12-31T23:59:59Z", since(253_402_300_799_000)),
            ("since=1969-07-20T20:17:40Z", Resume::Earliest),
            ("since=2026-11-24", malformed("2026-11-24")),
            ("since=2026-11-24T13:42:07", malformed("2026-11-24T13:42:07")),
            ("since=%20%C3%A9%C3%A9:00", malformed(" \u{e9}\u{e9}:00")),
            ("last_event_id=2026-11-24T13:42:07Z", malformed("2026-11-24T13:42:07Z")),
            ("lastEventId=2026-11-24T13:42:07Z", malformed("2026-11-24T13:42:07Z")),
            ("last_event_id=a-1&since=2026-11-24T13:42:07Z", after("a-1")),
        ];
        for (query, expected) in table {
            assert_eq!(read(None, query), expected, "{query}");
        }
        assert_eq!(read(Some(b"2026-11-24T13:42:07Z"), ""), malformed("2026-11-24T13:42:07Z"));
    }

    #[test]
    fn a_huge_cursor_is_not_echoed_in_full() {
        let Resume::Malformed(text) = read(Some("é".repeat(4000).as_bytes()), "") else { panic!("not a cursor") };
        assert_eq!(text.len(), ECHO_BYTES);
    }
}
