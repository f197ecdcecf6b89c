use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, Header as _, IfNoneMatch},
    web::Data,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pushgate_journal::{HistoryItem, Journal};
use pushgate_model::{Answer, Cursor, Epoch, PushData, Seq, TenantId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    auth::Intent,
    problem::Problem,
    public::Public,
    query::{PageLimit, Query},
};

/// Pushes that are read at a time: the journal counts pushes, not bytes, and each may have megabytes.
const READ_AT_ONCE: usize = 32;

/// A page ends, shorter than asked for, once its pushes have so many bytes of text.
const PAGE_BYTES: usize = 8 << 20;

#[derive(Serialize)]
struct Page<'a> {
    pushes: Vec<Entry<'a>>,
    next: Option<Cursor>,
}

/// A push as in an event's `data`, with what only the history knows.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    data: PushData<'a>,
    cursor: Cursor,
    answer: Option<Answer>,
}

/// `GET /tenants/{tenant}/pushes`: a page of what is kept, oldest first.
pub(crate) async fn history(request: HttpRequest, public: Data<Public>) -> Result<HttpResponse, Problem> {
    let tenant: TenantId = request.match_info().query("tenant").parse()?;
    let query = Query::of(&request);
    public.auth.authorize(&request, &query, Intent::Read, std::slice::from_ref(&tenant)).await?;
    let journal = &*public.deps.journal;
    let epoch = journal.epoch();
    let after = position(query.get("after"), &epoch)?;
    let limit = query.limit(PageLimit::LIST)?;
    if !public.deps.directory.contains(&tenant) {
        return Err(Problem::UnknownTenant(tenant));
    }
    let (items, more) = page(journal, &tenant, after, limit).await?;
    let cursor = |seq| Cursor { epoch: epoch.clone(), seq };
    let next = items.last().filter(|_| more).map(|item| cursor(item.push.seq));
    let pushes = items
        .iter()
        .map(|item| Entry { data: item.push.data(), cursor: cursor(item.push.seq), answer: item.answer })
        .collect();
    Ok(respond(&request, &version(&epoch, &items, more), &Page { pushes, next }))
}

/// Names what a page holds. A push never changes but for its answer, so that this is its epoch, its positions and their
/// answers, and whether there is more. Weak, because another release may write the same in other bytes.
fn version(epoch: &Epoch, items: &[HistoryItem], more: bool) -> EntityTag {
    let mut digest = Sha256::new();
    for item in items {
        digest.update(item.push.seq.get().to_be_bytes());
        digest.update(match item.answer {
            None => b"-",
            Some(Answer::Ack) => b"a",
            Some(Answer::Nack) => b"n",
        });
    }
    let digest = URL_SAFE_NO_PAD.encode(&digest.finalize()[..12]);
    let more = if more { "more" } else { "end" };
    EntityTag::new_weak(format!("{epoch}-{digest}-{more}"))
}

/// A page, or that whoever asks has it already (RFC 9110, section 13.1.2). Kept by nobody but him, and not used again
/// without asking: what he may read ends with his token.
fn respond(request: &HttpRequest, version: &EntityTag, page: &Page<'_>) -> HttpResponse {
    let known = IfNoneMatch::parse(request).is_ok_and(|header| match header {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(version)),
    });
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .append_header((header::VARY, "Authorization, Cookie"))
        .insert_header(ETag(version.clone()));
    if known { response.finish() } else { response.json(page) }
}

/// Where a page begins. Unlike a stream, a page has no other way to say that its cursor is of no use, and whoever pages
/// through the history must not begin again without noticing.
fn position(after: Option<&str>, epoch: &Epoch) -> Result<Seq, Problem> {
    let Some(text) = after else { return Ok(Seq::ZERO) };
    let cursor: Cursor = text.parse()?;
    if cursor.epoch == *epoch { Ok(cursor.seq) } else { Err(Problem::UnknownEpoch) }
}

/// Up to `limit` pushes, and whether there are more.
async fn page(
    journal: &dyn Journal,
    tenant: &TenantId,
    after: Seq,
    limit: usize,
) -> Result<(Vec<HistoryItem>, bool), Problem> {
    let mut items: Vec<HistoryItem> = Vec::new();
    let mut bytes = 0;
    let mut position = after;
    loop {
        // One more than is wanted tells whether there is a next page.
        let wanted = READ_AT_ONCE.min(limit + 1 - items.len());
        let chunk = journal.history(tenant.clone(), position, wanted).await.map_err(|error| {
            tracing::warn!(%tenant, %error, "history could not be read");
            Problem::JournalUnreadable
        })?;
        // A chunk may also be cut short by its bytes: only an empty one is the end.
        let last = chunk.is_empty();
        for item in chunk {
            if items.len() == limit || bytes >= PAGE_BYTES {
                return Ok((items, true));
            }
            bytes += item.push.push.size();
            position = item.push.seq;
            items.push(item);
        }
        if last {
            return Ok((items, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use pushgate_model::{Push, StoredPush, Timestamp};

    use super::*;

    #[test]
    fn a_page_has_another_version_when_anything_in_it_changed() {
        let item = |seq, answer| HistoryItem {
            push: StoredPush {
                seq: Seq::new(seq).unwrap(),
                tenant: "acme".parse().unwrap(),
                push: Push { id: "p".into(), created_at: String::new(), title: String::new(), body: String::new() },
                received_at: Timestamp::from_millis(0),
            },
            answer,
        };
        let (one, other): (Epoch, Epoch) = ("5f3a".parse().unwrap(), "5f3b".parse().unwrap());
        let versions = [
            version(&one, &[], false),
            version(&one, &[item(1, None)], false),
            version(&one, &[item(1, None)], true),
            version(&one, &[item(1, Some(Answer::Ack))], false),
            version(&one, &[item(1, Some(Answer::Nack))], false),
            version(&one, &[item(2, None)], false),
            version(&one, &[item(1, None), item(2, None)], false),
            version(&other, &[item(1, None)], false),
        ];
        for (nth, version) in versions.iter().enumerate() {
            assert!(version.weak && !versions[..nth].contains(version), "{version}");
        }
        assert_eq!(versions[1], version(&one, &[item(1, None)], false));
    }

    #[test]
    fn a_page_refuses_a_cursor_it_can_not_honour() {
        let epoch: Epoch = "5f3a".parse().unwrap();
        assert_eq!(position(None, &epoch).unwrap(), Seq::ZERO);
        assert_eq!(position(Some("5f3a-7"), &epoch).unwrap().get(), 7);
        assert!(matches!(position(Some("77"), &epoch), Err(Problem::MalformedCursor(_))));
        assert!(matches!(position(Some("other-7"), &epoch), Err(Problem::UnknownEpoch)));
    }
}
