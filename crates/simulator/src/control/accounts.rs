use std::{collections::BinaryHeap, sync::Arc, time::Instant};

use actix_web::{
    HttpResponse,
    web::{Bytes, Data, Path, Query},
};
use serde::Deserialize;
use serde_json::json;

use crate::{cut::Cut, problem::Problem, service::Service};

/// Accounts on one page at most, and without `limit`.
const PAGE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
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
    Ok(HttpResponse::Ok().json(service.known(&id)?.snapshot(Instant::now())))
}

pub(crate) async fn cut(service: Data<Service>, id: Path<String>, body: Bytes) -> Result<HttpResponse, Problem> {
    let account = service.known(&id)?;
    let ending = read_cut(&body)?.ending("cut by hand");
    Ok(HttpResponse::Ok().json(json!({"sockets": account.cut(ending)})))
}

pub(crate) async fn cut_all(service: Data<Service>, body: Bytes) -> Result<HttpResponse, Problem> {
    let ending = read_cut(&body)?.ending("cut by hand");
    Ok(HttpResponse::Ok().json(json!({"sockets": service.cut_all(ending)})))
}

/// A cut without a body is a cut without a Close frame.
fn read_cut(body: &Bytes) -> Result<Cut, Problem> {
    if body.is_empty() {
        return Ok(Cut::default());
    }
    let cut: Cut = serde_json::from_slice(body).map_err(|error| Problem::invalid(error.to_string()))?;
    match cut.mistake("close") {
        Some(mistake) => Err(Problem::invalid(mistake)),
        None => Ok(cut),
    }
}
