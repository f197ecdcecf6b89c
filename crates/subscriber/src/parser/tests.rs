use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1024;

fn parse_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ParsedItem>, String) {
    let mut parser = Parser::new(LIMIT, "");
    let mut items = Vec::new();
    for mut piece in pieces {
        while let Some(item) = parser.next(&mut piece) {
            items.push(item);
        }
        assert!(piece.is_empty());
    }
    (items, parser.last_event_id().to_owned())
}

fn parse(text: &str) -> Vec<ParsedItem> {
    parse_pieces([text.as_bytes()]).0
}

fn event(event: &str, data: &str, id: &str) -> ParsedItem {
    ParsedItem::Event(Event { event: event.into(), data: data.into(), id: id.into() })
}

fn message(data: &str) -> ParsedItem {
    event("message", data, "")
}

#[test]
fn the_examples_of_the_standard_parse() {
    let stock = parse("data: YHOO\ndata: +2\ndata: 10\n\n");
    assert_eq!(stock, [message("YHOO\n+2\n10")]);
    let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    assert_eq!(
        parse(four),
        [
            ParsedItem::Comment(" test stream".into()),
            event("message", "first event", "1"),
            event("message", "second event", ""),
            event("message", " third event", ""),
        ]
    );
    assert_eq!(parse("data\n\ndata\ndata\n\ndata:"), [message(""), message("\n")]);
    assert_eq!(parse("data:test\n\ndata: test\n\n"), [message("test"), message("test")]);
}

#[test]
fn all_line_ends_count_once() {
    for end in ["\n", "\r", "\r\n"] {
        let text = ["event: a", "data: 1", "", "data: 2", "", ""].join(end);
        assert_eq!(parse(&text), [event("a", "1", ""), message("2")], "{end:?}");
    }
    assert_eq!(parse("data: 1\n\r\ndata: 2\r\r"), [message("1"), message("2")]);
}

#[test]
fn one_bom_is_skipped_at_the_beginning_only() {
    assert_eq!(parse("\u{feff}data: 1\n\n\u{feff}data: 2\n\n"), [message("1")]);
    assert_eq!(parse("\u{feff}\u{feff}data: 1\n\n"), []);
    let (cut_short, _) = parse_pieces([&BOM[..2], b"\ndata: 1\n\n"]);
    assert_eq!(cut_short, [message("1")]);
}

#[test]
fn an_event_without_data_only_moves_the_id() {
    let (items, id) = parse_pieces([&b"event: x\nid: 7\n\ndata: 1\n\n"[..]]);
    assert_eq!((items, id), (vec![event("message", "1", "7")], "7".into()));
}

#[test]
fn an_id_counts_from_the_blank_line_on_and_never_with_nul() {
    let (items, id) = parse_pieces([&b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: 3\ndata: c"[..]]);
    assert_eq!((items, id), (vec![event("message", "a", "1"), event("message", "b", "1")], "1".into()));
}

#[test]
fn the_id_of_the_last_stream_stays_until_there_is_another() {
    let mut parser = Parser::new(LIMIT, "e-5");
    assert_eq!(parser.next(&mut &b"data: a\n\n"[..]), Some(event("message", "a", "e-5")));
    assert_eq!(parser.next(&mut &b"id\n\n"[..]), None);
    assert_eq!(parser.last_event_id(), "");
}

#[test]
fn retry_takes_digits_only() {
    assert_eq!(
        parse("retry: 2500\nretry: 1s\nretry: -1\nretry\nretry: +5\nretry:7\n"),
        [ParsedItem::Retry(Duration::from_millis(2500)), ParsedItem::Retry(Duration::from_millis(7))]
    );
    assert_eq!(parse("retry: 99999999999999999999\n"), [ParsedItem::Retry(Duration::from_millis(u64::MAX))]);
}

#[test]
fn unknown_fields_and_wrong_spellings_are_ignored() {
    assert_eq!(parse("Data: 1\n data: 2\nfoo: 3\n\n"), []);
}

#[test]
fn broken_utf8_is_replaced() {
    let (items, _) = parse_pieces([&b"data: a\xffb\n\n"[..]]);
    assert_eq!(items, [message("a\u{fffd}b")]);
}

#[test]
fn an_event_over_the_limit_is_left_out_and_its_id_counts() {
    let long = "x".repeat(LIMIT);
    let many = format!("data: {}\n", "x".repeat(LIMIT / 4)).repeat(5);
    for large in [format!("data: {long}\n"), many] {
        let (items, id) = parse_pieces([format!("id: 1\n{large}\ndata: 2\n\n").as_bytes()]);
        assert_eq!((items, id), (vec![ParsedItem::Oversized, event("message", "2", "1")], "1".into()));
    }
    assert_eq!(parse(&format!(":{long}\n")), [ParsedItem::Oversized]);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_items(
        text in "(\u{feff}|data: ?|id: ?|event: ?|retry: ?|:|\r|\n|\r\n|\n\n|[a-c0-9]|é|\0){0,60}",
        cuts in proptest::collection::vec(0_usize..200, 0..20),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(parse_pieces(pieces), parse_pieces([bytes]));
    }

    #[test]
    fn every_input_is_accepted(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        parse_pieces([&bytes[..]]);
    }

    #[test]
    fn what_was_written_is_read(data in "[^\r\u{feff}]{0,100}", id in "[0-9a-z-]{0,20}") {
        let lines = data.replace('\n', "\ndata: ");
        prop_assert_eq!(parse(&format!("id: {id}\ndata: {lines}\n\n")), [event("message", &data, &id)]);
    }
}
