use std::{sync::Arc, time::SystemTime};

use pushgate_model::{Push, PushId, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// The texts of pushes, shared by all pushes that say the same.
pub(crate) struct Content {
    pub(crate) title: String,
    pub(crate) body: String,
    /// Whether the body begins with a stamp, and the text that stamp begins with.
    pub(crate) stamp: Option<String>,
}

/// A push as the service wants it sent, before anything is known of sockets.
pub(crate) struct NewPush {
    pub(crate) id: PushId,
    pub(crate) created_at: Arc<str>,
    pub(crate) content: Arc<Content>,
    /// Counts the pushes of one account in one load, from 0: part of the stamp.
    pub(crate) counter: u64,
}

impl NewPush {
    /// The push as it goes on the wire. The stamp is `<marker>t=<nanos>;n=<counter>;`.
    pub(crate) fn render(&self, stamped_at: u64) -> Push {
        let content = &self.content;
        let body = match &content.stamp {
            Some(marker) => format!("{marker}t={stamped_at};n={}; {}", self.counter, content.body),
            None => content.body.clone(),
        };
        Push {
            id: self.id.clone(),
            created_at: self.created_at.as_ref().to_owned(),
            title: content.title.clone(),
            body,
        }
    }
}

/// The nanoseconds of `CLOCK_MONOTONIC`, which all processes of one machine share: two of them can measure a way.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// A fresh push id. Not for secrets, so that ten thousand a second cost no system call each.
pub(crate) fn fresh_id() -> PushId {
    let random = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    PushId::from(random.hyphenated().encode_lower(&mut Uuid::encode_buffer()) as &str)
}

/// The current time as the service writes it.
pub(crate) fn now_text() -> Arc<str> {
    Timestamp::from(SystemTime::now()).to_string().into()
}

/// Texts as a shop, a bank and a courier would send them.
pub(crate) fn plausible() -> Content {
    const TEXTS: [(&str, &str); 8] = [
        ("Order shipped", "Your parcel left our warehouse and should reach you within two days."),
        ("Payment received", "Thank you, we received your payment. Your receipt is in the app."),
        ("New sign-in", "Your account was used on a new device. If that was not you, change your password."),
        ("Courier nearby", "Your courier is three stops away and arrives in about ten minutes."),
        ("Price alert", "An article on your list is cheaper today. The offer ends at midnight."),
        ("Appointment tomorrow", "We look forward to seeing you at 09:30. Please bring your card."),
        ("Message from support", "We answered your question. Open the conversation to read the reply."),
        ("Überweisung ausgeführt", "Ihre Überweisung wurde ausgeführt. Danke, dass Sie bei uns sind! ✅"),
    ];
    let (title, body) = TEXTS[fastrand::usize(..TEXTS.len())];
    Content { title: title.to_owned(), body: body.to_owned(), stamp: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_precedes_the_body_and_is_followed_by_no_digit() {
        let content = Content { title: "t".into(), body: "9 lives".into(), stamp: Some("r1_".into()) };
        let push = NewPush { id: fresh_id(), created_at: "now".into(), content: Arc::new(content), counter: 3 };
        assert_eq!(push.render(17).body, "r1_t=17;n=3; 9 lives");
    }

    #[test]
    fn fresh_ids_are_uuids_of_version_4() {
        let id = fresh_id();
        let uuid = Uuid::parse_str(id.as_str()).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.hyphenated().to_string()), (4, id.to_string()));
    }

    #[test]
    fn the_clock_of_stamps_moves_forward() {
        let before = monotonic_nanos();
        assert!(before > 0 && monotonic_nanos() >= before);
    }
}
