use std::{borrow::Cow, fmt, str::FromStr};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use pushgate_model::{ConnectionState, Timestamp};
use pushgate_upstream::Transition;
use serde::{Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use super::{TenantPath, named};
use crate::{
    Deps,
    edge::no_store_json,
    openapi::StateSchema,
    problem::Problem,
    query::{PageLimit, PageParams, Query},
};

/// A page of a tenant's transitions.
#[derive(Serialize, ToSchema)]
#[schema(as = TransitionPage)]
struct Page {
    /// Oldest first.
    transitions: Vec<TransitionView>,
    /// What `after` takes for the next page; null on the last one.
    #[schema(value_type = Option<String>)]
    next: Option<Position>,
}

/// One change of a connection's state.
#[derive(Serialize, ToSchema)]
#[schema(as = Transition)]
struct TransitionView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// To which state.
    #[schema(value_type = StateSchema)]
    state: ConnectionState,
    /// Why, as a machine-readable word.
    #[schema(value_type = Option<String>)]
    reason: Option<Cow<'static, str>>,
    /// Failed attempts since the last good connection.
    attempt: u32,
}

/// Where a page begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameter")]
struct AfterParams {
    /// What `next` was in the page before.
    #[param(pattern = r"^([0-9]{1,15}\.[1-9][0-9]{0,8})?$")]
    after: Option<String>,
}

/// Behind one transition: the `nth` of its millisecond, counted from 1. Several may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    millis: u64,
    nth: usize,
}

/// List a tenant's last transitions
///
/// The last 100 changes of its connection's state since the gateway started.
#[utoipa::path(
    get,
    path = "/api/tenants/{id}/transitions",
    operation_id = "list_transitions",
    tag = "tenants",
    params(TenantPath, AfterParams, PageParams),
    responses(
        (status = 200, description = "A page of transitions, oldest first", body = Page),
        (status = 400, description = "A parameter is wrong"),
        (status = 404, description = "There is no such tenant"),
    )
)]
pub(crate) async fn list(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    let query = Query::of(&request);
    let after = query.get("after").map(str::parse).transpose()?;
    let limit = query.limit(PageLimit::LIST)?;
    let all = deps.directory.transitions(&id).ok_or(Problem::UnknownTenant(id))?;
    let start = after.map_or(0, |position| start(&all, position));
    let end = all.len().min(start + limit);
    let next = (end < all.len()).then(|| position(&all, end - 1));
    let transitions = all.into_iter().take(end).skip(start).map(TransitionView::from).collect();
    Ok(no_store_json(&Page { transitions, next }))
}

/// The first transition behind a position. When that one is no longer kept: the first of a later time.
fn start(all: &[Transition], after: Position) -> usize {
    let same = all.iter().enumerate().filter(|(_, one)| one.at.as_millis() == after.millis);
    let later = || all.iter().position(|one| one.at.as_millis() > after.millis).unwrap_or(all.len());
    same.map(|(index, _)| index + 1).nth(after.nth - 1).unwrap_or_else(later)
}

/// The position behind the transition at `index`.
fn position(all: &[Transition], index: usize) -> Position {
    let at = all[index].at;
    Position { millis: at.as_millis(), nth: all[..=index].iter().filter(|one| one.at == at).count() }
}

impl From<Transition> for TransitionView {
    fn from(Transition { at, state, reason, attempt }: Transition) -> Self {
        Self { at, state, reason, attempt }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis, self.nth)
    }
}

impl FromStr for Position {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (millis, nth) = text.split_once('.').ok_or(Problem::InvalidAfter)?;
        let (millis, nth) = (millis.parse().ok(), nth.parse().ok().filter(|nth| *nth > 0));
        millis.zip(nth).map(|(millis, nth)| Self { millis, nth }).ok_or(Problem::InvalidAfter)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: &[u64]) -> Vec<Transition> {
        let one = |millis: &u64| Transition {
            at: Timestamp::from_millis(*millis),
            state: ConnectionState::Waiting,
            reason: None,
            attempt: 0,
        };
        millis.iter().map(one).collect()
    }

    #[test]
    fn each_position_leads_behind_its_own_transition() {
        // The clock was set back in between.
        let all = at(&[5, 5, 5, 7, 6, 6, 9]);
        for index in 0..all.len() {
            let position: Position = position(&all, index).to_string().parse().unwrap();
            assert_eq!(start(&all, position), index + 1);
        }
    }

    #[test]
    fn a_position_that_is_gone_leads_to_what_came_later() {
        let all = at(&[7, 8]);
        assert_eq!(start(&all, Position { millis: 5, nth: 2 }), 0);
        assert_eq!(start(&all, Position { millis: 7, nth: 2 }), 1);
        assert_eq!(start(&all, Position { millis: 9, nth: 1 }), 2);
        for bad in ["", "5", "5.", ".1", "5.0", "5.-1", "-5.1", "5.1.1", "x.1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
