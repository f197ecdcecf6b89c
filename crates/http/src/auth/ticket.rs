//! Tickets: what stands for a token in a URL, for a moment and once.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{TokenDigest, refused::Refused};

/// Tickets that wait to be redeemed, of everybody. Those whose time is over make room; else no more are given out.
const TICKETS: usize = 10_000;

/// Of those, tickets of one token, so that one does not take all.
const TICKETS_PER_TOKEN: usize = 1_000;

/// Random bytes of a ticket.
const TICKET_BYTES: usize = 32;

/// The SHA-256 of a ticket: whoever reads this memory has none, and a look-up tells nothing by its time.
type TicketDigest = [u8; 32];

/// The tickets that wait. They do not outlive the process.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    tickets: HashMap<TicketDigest, Ticket>,
    /// The same by the end of their time.
    by_end: BTreeSet<(Instant, TicketDigest)>,
    per_token: HashMap<TokenDigest, usize>,
}

#[derive(Debug)]
struct Ticket {
    token: SecretString,
    digest: TokenDigest,
    ends_at: Instant,
}

impl Tickets {
    /// Makes a ticket for a token.
    pub(super) fn issue(
        &self,
        text: &str,
        (token, digest): (SecretString, TokenDigest),
        (now, time): (Instant, Duration),
    ) -> Result<(), Refused> {
        let mut waiting = self.lock();
        waiting.forget_ended(now);
        let of_token = waiting.per_token.get(&digest).copied().unwrap_or(0);
        if waiting.tickets.len() >= TICKETS || of_token >= TICKETS_PER_TOKEN {
            return Err(Refused::TooManyTickets);
        }
        let (ticket, ends_at) = (hash(text), now + time);
        waiting.by_end.insert((ends_at, ticket));
        waiting.per_token.insert(digest, of_token + 1);
        waiting.tickets.insert(ticket, Ticket { token, digest, ends_at });
        Ok(())
    }

    /// Gives the token of a ticket that is still in its time; the ticket is used up.
    pub(super) fn redeem(&self, text: &str, now: Instant) -> Option<SecretString> {
        let mut waiting = self.lock();
        waiting.forget_ended(now);
        waiting.take(&hash(text)).map(|ticket| ticket.token)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under it panics between two of its steps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn forget_ended(&mut self, now: Instant) {
        while let Some((_, ticket)) = self.by_end.first().copied().filter(|(ends_at, _)| *ends_at <= now) {
            self.take(&ticket);
        }
    }

    fn take(&mut self, digest: &TicketDigest) -> Option<Ticket> {
        let ticket = self.tickets.remove(digest)?;
        self.by_end.remove(&(ticket.ends_at, *digest));
        if let Entry::Occupied(mut count) = self.per_token.entry(ticket.digest) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(ticket)
    }
}

/// The text of a new ticket: 256 random bits, fit for a URL.
///
/// # Errors
/// The system has no randomness to give.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TICKET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn hash(text: &str) -> TicketDigest {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    fn issue(tickets: &Tickets, text: &str, token: u16, now: Instant) -> Result<(), Refused> {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&token.to_be_bytes());
        tickets.issue(text, (format!("token-{token}").into(), digest), (now, TIME))
    }

    #[test]
    fn a_ticket_counts_once_and_in_its_time() {
        let (tickets, start) = (Tickets::default(), Instant::now());
        issue(&tickets, "one", 1, start).unwrap();
        issue(&tickets, "two", 2, start).unwrap();
        assert!(tickets.redeem("three", start).is_none());
        assert_eq!(tickets.redeem("one", start).unwrap().expose_secret(), "token-1");
        assert!(tickets.redeem("one", start).is_none());
        assert!(tickets.redeem("two", start + TIME).is_none());
        let waiting = tickets.lock();
        assert!(waiting.tickets.is_empty() && waiting.by_end.is_empty() && waiting.per_token.is_empty());
    }

    #[test]
    fn one_token_does_not_take_all_places() {
        let (tickets, start) = (Tickets::default(), Instant::now());
        for n in 0..TICKETS_PER_TOKEN {
            issue(&tickets, &n.to_string(), 1, start).unwrap();
        }
        assert_eq!(issue(&tickets, "more", 1, start), Err(Refused::TooManyTickets));
        issue(&tickets, "other", 2, start).unwrap();
        tickets.redeem("7", start).unwrap();
        issue(&tickets, "more", 1, start).unwrap();
    }

    #[test]
    fn tickets_whose_time_is_over_make_room() {
        let (tickets, start) = (Tickets::default(), Instant::now());
        for n in 0..TICKETS {
            let later = start + Duration::from_millis(n as u64);
            issue(&tickets, &n.to_string(), (n / TICKETS_PER_TOKEN) as u16, later.min(start + TIME / 2)).unwrap();
        }
        let now = start + TIME.saturating_sub(Duration::from_millis(1));
        assert_eq!(issue(&tickets, "more", 99, now), Err(Refused::TooManyTickets));
        issue(&tickets, "more", 99, start + TIME).unwrap();
        assert_eq!(issue(&tickets, "one too many", 99, start + TIME), Err(Refused::TooManyTickets));
    }

    #[test]
    fn tickets_are_long_and_differ() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
}
