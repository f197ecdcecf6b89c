use std::io;

use anyhow::anyhow;
use futures_util::StreamExt as _;
use pushgate_subscriber::{ControlEvent, Data, Event, EventStream, PushEvent, StreamItem};
use secrecy::{ExposeSecret as _, SecretString};

use super::{access::Access, confirm::Confirmer, of_no_use, output::Output, push::Form, status, status::Status};
use crate::failure::Failure;

/// Follows one stream: prints its pushes, says what else happens, keeps the token fresh.
pub(super) struct Follower {
    pub(super) stream: EventStream,
    pub(super) access: Access,
    pub(super) form: Form,
    /// Says "ack" for what was printed, where that is wanted.
    pub(super) confirmer: Option<Confirmer>,
    pub(super) status: Status,
}

/// What the stream said last of the token that it was opened with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Valid,
    Expired,
}

impl Follower {
    /// Runs until the server says that it is of no use, or until nobody reads any more.
    pub(super) async fn run(mut self, output: &Output) -> Result<(), Failure> {
        let mut used = self.access.token()?;
        let mut token = Token::Valid;
        while let Some(item) = self.stream.next().await {
            match item.map_err(of_no_use)? {
                StreamItem::Event(event) => match self.event(&event) {
                    Some(Data::Push(push)) if !self.print(&event, &push, output).await? => return Ok(()),
                    // One that was revoked may count by the new rules: the server says so, or refuses.
                    Some(Data::Control(ControlEvent::AuthExpired(data))) if !status::is_revoked(&data) => {
                        token = Token::Expired;
                    }
                    _ => {}
                },
                StreamItem::Oversized => self.status.say("a push is larger than can be shown and is left out"),
                StreamItem::Closed { reason, again_in } => {
                    used = self.renew(used, token)?;
                    token = Token::Valid;
                    self.status.say(&status::closed(&reason, again_in));
                }
                // Whether the response is a stream, and not a polite way to say "later", its first event tells.
                StreamItem::Opened | StreamItem::Comment(_) | StreamItem::Retry(_) => {}
            }
        }
        Ok(())
    }

    /// What the event says, once people know.
    fn event(&self, event: &Event) -> Option<Data> {
        match event.decode() {
            Ok(data) => {
                if let Data::Control(control) = &data {
                    self.status.say(&status::of_event(control));
                }
                Some(data)
            }
            Err(error) => {
                self.status.say(&format!("passed over: {error}"));
                None
            }
        }
    }

    /// Whether somebody still reads.
    async fn print(&self, event: &Event, push: &PushEvent, output: &Output) -> Result<bool, Failure> {
        if let Some(confirmer) = &self.confirmer {
            confirmer.prints(push);
        }
        match output.write(self.form.show(event, push)).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(anyhow!(error).context("standard output can't be written").into()),
        }
        if let Some(confirmer) = &self.confirmer {
            confirmer.confirm(push).await;
        }
        Ok(true)
    }

    /// The token for the next connect. One that can't be read is no reason to stop, unless the last one expired.
    fn renew(&mut self, used: Option<SecretString>, token: Token) -> Result<Option<SecretString>, Failure> {
        let next = match self.access.token() {
            Ok(next) => next,
            Err(failure) => {
                self.status.say(&format!("{failure}; the last token is kept"));
                used.clone()
            }
        };
        let texts = [&used, &next].map(|token| token.as_ref().map(|token| token.expose_secret()));
        if texts[0] == texts[1] {
            return match token {
                Token::Valid => Ok(used),
                Token::Expired => Err(anyhow!("the access token expired, and there is no other one").into()),
            };
        }
        self.stream.set_bearer(next.clone()).map_err(of_no_use)?;
        if let Some(confirmer) = &self.confirmer {
            confirmer.set_bearer(next.clone());
        }
        Ok(next)
    }
}
