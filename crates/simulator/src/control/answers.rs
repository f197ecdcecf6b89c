use std::{convert::Infallible, sync::Arc};

use actix_web::{
    HttpResponse,
    web::{Bytes, Data, Query},
};
use futures_util::stream;
use pushgate_model::Answer;
use serde::Deserialize;

use crate::{
    ledger::{PushStatus, Wanted},
    service::Service,
};

/// Entries of one page: how long one reader may hold up the answers that come in.
const PAGE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    account: Option<String>,
    answer: Option<Answer>,
    /// The position to begin at.
    from: Option<u64>,
}

/// All remembered answers, a line each, oldest first, up to those that come while it runs.
pub(crate) async fn export(service: Data<Service>, Query(filter): Query<Filter>) -> HttpResponse {
    let ledger = service.ledger.clone();
    let wanted = Arc::new(Wanted { account: filter.account, answer: filter.answer });
    let pages = stream::unfold(filter.from.unwrap_or(0), move |position| {
        let page = ledger.page(position, PAGE, &wanted);
        async move { page.map(|(answers, next)| (Ok::<_, Infallible>(lines(&answers)), next)) }
    });
    HttpResponse::Ok().content_type("application/x-ndjson").streaming(pages)
}

fn lines(answers: &[PushStatus]) -> Bytes {
    let mut text = Vec::with_capacity(answers.len() * 256);
    for answer in answers {
        serde_json::to_writer(&mut text, answer).expect("plain data written to memory");
        text.push(b'\n');
    }
    text.into()
}
