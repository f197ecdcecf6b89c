//! Protobuf as any peer may write it, right or wrong. `PROPTEST_CASES` makes more of it.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// A varint, also of more bytes than it needs, and of more than there may be.
fn varint() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![4 => 0u64..300, 1 => any::<u64>(), 1 => select(vec![u64::MAX, 1 << 31, 1 << 32, 1 << 63])];
    (value, prop_oneof![8 => Just(0usize), 1 => 0usize..12]).prop_map(|(value, padding)| padded_varint(value, padding))
}

fn padded_varint(mut value: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    for _ in 0..padding {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(0);
    }
    bytes
}

fn tag(number: u32, wire_type: u8) -> Vec<u8> {
    padded_varint(u64::from(number) << 3 | u64::from(wire_type), 0)
}

/// The numbers of the known fields above all.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![6 => Just(1u32), 4 => 2u32..5, 2 => 5u32..40, 1 => 0u32..1 << 29]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-z]{0,4}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..8),
        1 => (MAX_PUSH_ID - 2..MAX_PUSH_ID + 3).prop_map(|len| vec![b'x'; len]),
    ]
}

/// Length-delimited; the length is mostly true.
fn delimited(number: u32, content: &[u8], lie: i64) -> Vec<u8> {
    let len = (content.len() as u64).wrapping_add_signed(lie);
    [&tag(number, 2)[..], &padded_varint(len, 0), content].concat()
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let lie = prop_oneof![20 => Just(0i64), 1 => -3i64..4, 1 => select(vec![i64::MAX, i64::MIN, 1 << 40])];
    let leaf = prop_oneof![
        2 => (number(), varint()).prop_map(|(number, value)| [tag(number, 0), value].concat()),
        1 => (number(), vec(any::<u8>(), 8)).prop_map(|(number, value)| [tag(number, 1), value].concat()),
        1 => (number(), vec(any::<u8>(), 4)).prop_map(|(number, value)| [tag(number, 5), value].concat()),
        8 => (number(), text(), lie.clone()).prop_map(|(number, text, lie)| delimited(number, &text, lie)),
        1 => vec(any::<u8>(), 0..4),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let content = vec(inner, 0..5).prop_map(|fields| fields.concat());
        let wrong_end = prop_oneof![8 => Just(0u32), 1 => 1u32..3];
        prop_oneof![
            4 => (number(), content.clone(), lie.clone()).prop_map(|(number, content, lie)| delimited(number, &content, lie)),
            2 => content.clone(),
            1 => (number(), content, wrong_end).prop_map(|(number, content, wrong_end)| {
                [tag(number, 3), content, tag(number + wrong_end, 4)].concat()
            }),
        ]
    })
}

/// Well-formed, and with no number that this version knows.
fn unknown_field() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        (5u32..1 << 29, any::<u64>()).prop_map(|(number, value)| [tag(number, 0), padded_varint(value, 0)].concat()),
        (5u32..1 << 29, vec(any::<u8>(), 8)).prop_map(|(number, value)| [tag(number, 1), value].concat()),
        (5u32..1 << 29, vec(any::<u8>(), 4)).prop_map(|(number, value)| [tag(number, 5), value].concat()),
        (5u32..1 << 29, vec(any::<u8>(), 0..20)).prop_map(|(number, value)| delimited(number, &value, 0)),
    ];
    leaf.prop_recursive(8, 16, 3, |inner| {
        (5u32..1 << 29, vec(inner, 0..3))
            .prop_map(|(number, fields)| [tag(number, 3), fields.concat(), tag(number, 4)].concat())
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_is_judged_and_scanned_alike(bytes in message(), as_push: bool) {
        let bytes = if as_push { delimited(1, &bytes, 0) } else { bytes };
        let scanned = scan_push_id(&bytes);
        prop_assert!(scanned.as_ref().is_none_or(|id| (1..=MAX_ANSWERED_ID).contains(&id.as_str().len())));
        match decode_server(&bytes, MAX) {
            Ok(ServerFrame::Push(push)) => prop_assert_eq!(scanned, Some(push.id)),
            Ok(ServerFrame::Unknown) => prop_assert_eq!(scanned, None),
            Err(error) => {
                prop_assert_eq!(&error.push_id, &scanned);
                let broken = matches!(error.kind, DecodeErrorKind::Malformed | DecodeErrorKind::IdTooLong);
                prop_assert!(broken || scanned.is_none(), "{:?}", error);
            }
        }
        if let Ok(ClientFrame::Answer { push_id, .. }) = decode_client(&bytes, MAX) {
            prop_assert!((1..=MAX_ANSWERED_ID).contains(&push_id.as_str().len()));
        }
    }

    #[test]
    fn unknown_fields_change_nothing(
        id in "[a-z]{1,9}",
        body in ".{0,9}",
        inside in vec(unknown_field(), 3),
        outside in vec(unknown_field(), 2),
    ) {
        let known = [delimited(1, id.as_bytes(), 0), delimited(4, body.as_bytes(), 0)];
        let fields = [&inside[0][..], &known[1], &inside[1], &known[0], &inside[2]].concat();
        let bytes = [&outside[0][..], &delimited(1, &fields, 0), &outside[1]].concat();
        prop_assert_eq!(scan_push_id(&bytes), Some(PushId::from(id.as_str())));
        prop_assert_eq!(decode_server(&bytes, MAX), Ok(ServerFrame::Push(push(&id, "", "", &body))));
    }
}
