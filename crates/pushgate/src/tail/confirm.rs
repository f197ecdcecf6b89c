use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use pushgate_subscriber::{HttpClient, HttpError, PushEvent};
use secrecy::SecretString;
use serde_json::json;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{base_url::BaseUrl, status::Status, status::refusal};

/// Words under way. When all are, the next push waits for one to end, which takes a minute at most.
const IN_FLIGHT: u32 = 16;
/// The waits between the attempts to say a word. A word that comes later than that most often comes too late.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// How long words under way may take once all is over.
const GRACE: Duration = Duration::from_secs(2);

/// Says "ack" for pushes that were printed. Clones share everything.
#[derive(Clone)]
pub(super) struct Confirmer(Rc<Shared>);

struct Shared {
    client: Cell<Option<HttpClient>>,
    base: BaseUrl,
    status: Status,
    slots: Arc<Semaphore>,
    /// The push that is being printed, or waits for a slot: a stop may come in between.
    printing: RefCell<Option<PushEvent>>,
    /// Whether it was said that a push was answered already: of a whole replay each would be.
    told: Cell<bool>,
}

/// What became of a word.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Said,
    AlreadyAnswered,
    /// It may be tried again.
    Failed(String),
    /// Trying again is of no use.
    Refused(String),
}

impl Confirmer {
    pub(super) fn new(client: HttpClient, base: BaseUrl, status: Status) -> Self {
        let slots = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        let client = Cell::new(Some(client));
        Self(Rc::new(Shared { client, base, status, slots, printing: RefCell::default(), told: Cell::new(false) }))
    }

    /// Says it with another token from now on.
    pub(super) fn set_bearer(&self, bearer: Option<SecretString>) {
        let client = self.client().with_bearer(bearer);
        self.0.client.set(Some(client));
    }

    /// It is about to be printed.
    pub(super) fn prints(&self, push: &PushEvent) {
        self.0.printing.replace(Some(push.clone()));
    }

    /// Begins to say it; completes as soon as there is a slot.
    pub(super) async fn confirm(&self, push: &PushEvent) {
        let slot = Arc::clone(&self.0.slots).acquire_owned().await.expect("the slots are never closed");
        self.0.printing.take();
        let (this, tenant, id) = (self.clone(), push.tenant.clone(), push.id.clone());
        actix_rt::spawn(async move {
            this.say(&tenant, &id).await;
            drop(slot);
        });
    }

    /// Lets the words under way come to their end, if that is soon; that of the last push too, if all was `printed`.
    pub(super) async fn finish(&self, printed: bool) {
        let last = self.0.printing.take().filter(|_| printed);
        let words = async {
            if let Some(push) = last {
                self.confirm(&push).await;
            }
            self.0.slots.acquire_many(IN_FLIGHT).await.map(drop)
        };
        if timeout(GRACE, words).await.is_err() {
            self.0.status.say("some pushes are not confirmed: upstream.ack_timeout decides about them");
        }
    }

    async fn say(&self, tenant: &str, id: &str) {
        let url = self.0.base.word(tenant, id);
        let mut pauses = PAUSES.into_iter();
        loop {
            let said = self.client().post_json(&url, &json!({"status": "ack"})).await;
            match outcome(said.map(|response| (response.status, response.text()))) {
                Outcome::Said => return,
                Outcome::AlreadyAnswered => return self.already_answered(tenant, id),
                Outcome::Refused(why) => return self.0.status.say(&format!("{tenant}: {id} is not confirmed: {why}")),
                Outcome::Failed(why) => match pauses.next() {
                    Some(pause) => sleep(pause.mul_f64(0.8 + 0.4 * fastrand::f64())).await,
                    None => {
                        return self.0.status.say(&format!(
                            "{tenant}: {id} is not confirmed: {why}; upstream.ack_timeout decides about it"
                        ));
                    }
                },
            }
        }
    }

    fn already_answered(&self, tenant: &str, id: &str) {
        if !self.0.told.replace(true) {
            self.0.status.say(&format!(
                "{tenant}: {id} was answered already, as all pushes are where upstream.ack is not \"confirmed\", or by \
                 another subscriber; this is said once"
            ));
        }
    }

    fn client(&self) -> HttpClient {
        let client = self.0.client.take().expect("it is put back at once");
        self.0.client.set(Some(client.clone()));
        client
    }
}

fn outcome(said: Result<(u16, String), HttpError>) -> Outcome {
    match said {
        Ok((200..=299, _)) => Outcome::Said,
        Ok((409, _)) => Outcome::AlreadyAnswered,
        Ok((status @ (408 | 429 | 500..=599), body)) => Outcome::Failed(format!("status {status}: {}", refusal(&body))),
        Ok((status, body)) => Outcome::Refused(format!("status {status}: {}", refusal(&body))),
        Err(error @ HttpError::Config(_)) => Outcome::Refused(error.to_string()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |status| outcome(Ok((status, String::new())));
        assert_eq!(of(204), Outcome::Said);
        assert_eq!(of(409), Outcome::AlreadyAnswered);
        for again in [408, 429, 500, 503] {
            assert!(matches!(of(again), Outcome::Failed(_)), "{again}");
        }
        for never in [301, 401, 403, 404, 422] {
            assert!(matches!(of(never), Outcome::Refused(_)), "{never}");
        }
        assert!(matches!(outcome(Err(HttpError::Timeout)), Outcome::Failed(_)));
        assert!(matches!(outcome(Err(HttpError::Config("x".into()))), Outcome::Refused(_)));
    }
}
