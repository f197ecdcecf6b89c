use actix_web::{HttpRequest, HttpResponse, web::Data};
use pushgate_journal::{HistoryItem, Journal};
use pushgate_model::{Answer, Cursor, Epoch, PushData, Seq, TenantId};
use serde::Serialize;

use crate::{
    auth::Intent,
    edge::no_store_json,
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
    Ok(no_store_json(&Page { pushes, next }))
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
    use super::*;

    #[test]
    fn a_page_refuses_a_cursor_it_can_not_honour() {
        let epoch: Epoch = "5f3a".parse().unwrap();
        assert_eq!(position(None, &epoch).unwrap(), Seq::ZERO);
        assert_eq!(position(Some("5f3a-7"), &epoch).unwrap().get(), 7);
        assert!(matches!(position(Some("77"), &epoch), Err(Problem::MalformedCursor(_))));
        assert!(matches!(position(Some("other-7"), &epoch), Err(Problem::UnknownEpoch)));
    }
}
