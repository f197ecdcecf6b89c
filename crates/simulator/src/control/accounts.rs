use std::{collections::BinaryHeap, sync::Arc, time::Instant};

use actix_web::{
    HttpResponse,
    web::{Bytes, Data, Json, Path, Query},
};
use actix_web_actors::ws::CloseCode;
use serde::Deserialize;
use serde_json::json;

use crate::{account::Account, faults::Faults, problem::Problem, service::Service, slot::Ending};

/// Accounts on one page at most, and without `limit`.
const PAGE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    close: Option<u16>,
}

pub(crate) async fn list(service: Data<Service>, page: Query<Page>) -> HttpResponse {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = page.after.as_deref().unwrap_or_default();
    // The smallest ids after the cursor, one more than asked for to know whether there is a next page.
    let mut smallest: BinaryHeap<(Arc<str>, usize)> = BinaryHeap::new();
    let accounts = service.accounts();
    for (index, account) in accounts.iter().enumerate().filter(|(_, account)| *account.id > *after) {
        smallest.push((account.id.clone(), index));
        if smallest.len() > limit + 1 {
            smallest.pop();
        }
    }
    let more = smallest.len() > limit;
    if more {
        smallest.pop();
    }
    let now = Instant::now();
    let sorted = smallest.into_sorted_vec();
    let next = sorted.last().filter(|_| more).map(|(id, _)| id.as_ref());
    let shown: Vec<_> = sorted.iter().map(|(_, index)| accounts[*index].snapshot(now)).collect();
    HttpResponse::Ok().json(json!({"accounts": shown, "next": next}))
}

pub(crate) async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let account = existing(&service, &id)?;
    Ok(HttpResponse::Ok().json(account.snapshot(Instant::now())))
}

pub(crate) async fn cut(service: Data<Service>, id: Path<String>, body: Bytes) -> Result<HttpResponse, Problem> {
    let account = existing(&service, &id)?;
    // A cut without a body is a cut without a Close frame.
    let cut = if body.is_empty() {
        Cut::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Problem::invalid(error.to_string()))?
    };
    let ending = match cut.close {
        None => Ending::Drop,
        Some(code @ 1000..5000) => Ending::Close(CloseCode::from(code), "cut by hand"),
        Some(_) => return Err(Problem::invalid("close is 1000 to 4999")),
    };
    Ok(HttpResponse::Ok().json(json!({"sockets": account.cut(ending)})))
}

pub(crate) async fn faults(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(existing(&service, &id)?.faults()))
}

pub(crate) async fn set_faults(
    service: Data<Service>,
    id: Path<String>,
    faults: Json<Faults>,
) -> Result<HttpResponse, Problem> {
    if let Some(mistake) = faults.mistake() {
        return Err(Problem::invalid(mistake));
    }
    named(&service, &id)?.set_faults(*faults);
    Ok(HttpResponse::Ok().json(*faults))
}

pub(crate) async fn clear_faults(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, Problem> {
    named(&service, &id)?.set_faults(Faults::default());
    Ok(HttpResponse::NoContent().finish())
}

/// The account, made now if accounts are made on demand.
pub(super) fn named(service: &Service, id: &str) -> Result<Arc<Account>, Problem> {
    service.account(id).ok_or_else(|| Problem::not_found("no such account"))
}

fn existing(service: &Service, id: &str) -> Result<Arc<Account>, Problem> {
    service.existing(id).ok_or_else(|| Problem::not_found("no such account"))
}
