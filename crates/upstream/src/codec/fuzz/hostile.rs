//! What a hostile service may send: mostly right, so that what is wrong comes at every place.

use proptest::{collection::vec, prelude::*, sample::select};
use pushgate_model::Push;
use pushgate_protocol::encode_push;

use super::MAX_PUSH_ID;

/// A stream for a limit of `max` bytes a message, with some bytes changed, and cut off anywhere.
pub(super) fn pieces(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let spoilt = prop_oneof![3 => Just(0usize), 1 => 1usize..4].prop_flat_map(|count| vec(any::<(u32, u8)>(), count));
    let keep = prop_oneof![4 => Just(u32::MAX), 1 => any::<u32>()];
    (vec(piece(max), 0..10), spoilt, keep).prop_map(|(pieces, spoilt, keep)| {
        let mut bytes = pieces.concat();
        for (at, byte) in spoilt {
            let at = place(at, bytes.len());
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(place(keep, bytes.len() + 1));
        bytes
    })
}

/// A part of `len`: all of it but one for the greatest.
fn place(part: u32, len: usize) -> usize {
    (len as u64 * u64::from(part) / (u64::from(u32::MAX) + 1)) as usize
}

pub(super) fn piece(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => message(max),
        4 => control(),
        1 => wild(),
        1 => vec(any::<u8>(), 0..20),
    ]
}

/// A whole message in one or more fragments, with control frames between them.
fn message(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![9 => Just(2u8), 1 => Just(1u8)];
    let cuts = prop_oneof![2 => Just(Vec::new()), 1 => vec(any::<u32>(), 0..5), 1 => vec(Just(0u32), 0..40)];
    (opcode, payload(max), cuts, vec(control(), 0..3)).prop_map(|(opcode, payload, cuts, controls)| {
        let mut places: Vec<_> = cuts.into_iter().map(|cut| place(cut, payload.len() + 1)).collect();
        places.sort_unstable();
        let (mut bytes, mut from, mut opcode) = (Vec::new(), 0, opcode);
        let mut controls = controls.into_iter();
        for place in places {
            bytes.extend(frame(opcode, &payload[from..place]));
            bytes.extend(controls.next().unwrap_or_default());
            (from, opcode) = (place, 0);
        }
        bytes.extend(frame(0x80 | opcode, &payload[from..]));
        bytes
    })
}

fn payload(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![8 => "[a-d]", 1 => Just(String::new()), 1 => (MAX_PUSH_ID - 1..MAX_PUSH_ID + 2).prop_map(|len| "x".repeat(len))];
    let push = (id, "[a-z]{0,40}").prop_map(|(id, body)| {
        let push = Push { id: id.as_str().into(), created_at: String::new(), title: "t".to_owned(), body };
        encode_push(&push).to_vec()
    });
    let spoilt = (push.clone(), any::<u32>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        let at = place(at, bytes.len());
        bytes[at] = byte;
        bytes
    });
    // As long as the limit, beyond it, beyond what is kept, and beyond what is borne.
    let long = prop_oneof![
        6 => max.saturating_sub(2)..max + 3,
        3 => max..max * 3,
        1 => max * 15..max * 16 + 3,
    ];
    let long = (push.clone(), long).prop_map(|(mut bytes, len)| {
        bytes.resize(len, b'x');
        bytes
    });
    prop_oneof![6 => push, 4 => spoilt, 2 => vec(any::<u8>(), 0..60), 1 => Just(Vec::new()), 1 => long]
}

fn control() -> impl Strategy<Value = Vec<u8>> {
    let close = (prop_oneof![3 => 1000u16..1004, 1 => any::<u16>()], "[é-ñ]{0,3}")
        .prop_map(|(code, text)| frame(0x88, &[&code.to_be_bytes()[..], text.as_bytes()].concat()));
    prop_oneof![
        20 => (select(vec![0x89u8, 0x8a]), vec(any::<u8>(), 0..4)).prop_map(|(first, payload)| frame(first, &payload)),
        4 => (select(vec![0x89u8, 0x8a]), 100usize..126).prop_map(|(first, len)| frame(first, &vec![b'p'; len])),
        1 => (select(vec![0x88u8, 0x89, 0x8a]), 126usize..130).prop_map(|(first, len)| frame(first, &vec![b'p'; len])),
        2 => close,
        1 => vec(any::<u8>(), 0..3).prop_map(|payload| frame(0x88, &payload)),
    ]
}

/// Any header, with a length that says nothing about what comes.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        (0u8..126).prop_map(|len| vec![len]),
        any::<u16>().prop_map(|len| [&[126][..], &len.to_be_bytes()].concat()),
        prop_oneof![0u64..300, any::<u64>()].prop_map(|len| [&[127][..], &len.to_be_bytes()].concat()),
    ];
    let first = prop_oneof![select(vec![0x00u8, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89]), any::<u8>()];
    let mask = prop_oneof![4 => Just(0u8), 1 => Just(0x80u8)];
    (first, length, mask, vec(any::<u8>(), 0..20)).prop_map(|(first, mut length, mask, payload)| {
        length[0] |= mask;
        [&[first][..], &length, &payload].concat()
    })
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    super::super::tests::frame(first, payload)
}
