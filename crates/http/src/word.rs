use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Payload},
};
use pushgate_model::{Answer, PushId, TenantId};
use pushgate_upstream::WordError;
use serde_json::Value;

use crate::{
    auth::Intent,
    edge::no_content,
    lifecycle::Phase,
    payload::{self, object},
    problem::Problem,
    public::Public,
    query::Query,
    task::to_its_end,
};

/// The longest push id that is accepted from the service, in bytes; nothing longer needs to be looked up.
const PUSH_ID_BYTES: usize = 256;

/// `POST /tenants/{tenant}/pushes/{push_id}/ack`: a subscriber's word about a push. The content type is not looked at.
pub(crate) async fn word(
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Payload,
    public: Data<Public>,
) -> Result<HttpResponse, Problem> {
    let (tenant, push_id) = path.into_inner();
    let tenant: TenantId = tenant.parse()?;
    let named = std::slice::from_ref(&tenant);
    public.auth.authorize(&request, &Query::of(&request), Intent::Change, named).await?;
    if public.deps.lifecycle.phase() == Phase::Starting {
        return Err(Problem::NotServing(Phase::Starting));
    }
    if !public.deps.directory.contains(&tenant) {
        return Err(Problem::UnknownTenant(tenant));
    }
    let answer = answer(&payload::read(&request, body).await?)?;
    if push_id.len() > PUSH_ID_BYTES {
        return Err(Problem::UnknownPush);
    }
    let tenants = public.deps.tenants.clone();
    let spoken = to_its_end(async move { tenants.word(&tenant, &PushId::from(push_id), answer).await }).await?;
    spoken.map(|()| no_content()).map_err(|error| match error {
        WordError::UnknownPush => Problem::UnknownPush,
        WordError::AlreadyAnswered(answer) => Problem::AlreadyAnswered(answer),
        WordError::Unavailable => Problem::JournalUnwritable,
    })
}

/// Reads `{"status":"ack"}` or `{"status":"nack"}`, and nothing else.
fn answer(body: &[u8]) -> Result<Answer, Problem> {
    let object = object(body).map_err(|_| Problem::InvalidWord)?;
    let status = if object.len() == 1 { object.get("status").and_then(Value::as_str) } else { None };
    [Answer::Ack, Answer::Nack].into_iter().find(|answer| status == Some(answer.as_str())).ok_or(Problem::InvalidWord)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_of_two() {
        assert_eq!(answer(br#"{"status":"ack"}"#).unwrap(), Answer::Ack);
        assert_eq!(answer(br#" {"status" : "nack"} "#).unwrap(), Answer::Nack);
        for bad in [
            "",
            "ack",
            "\"ack\"",
            "null",
            "[\"ack\"]",
            "{}",
            "{\"status\":\"ACK\"}",
            "{\"status\":null}",
            "{\"status\":\"ack\",\"reason\":\"x\"}",
            "{\"state\":\"ack\"}",
            "{\"status\":\"ack\"}{}",
        ] {
            assert!(matches!(answer(bad.as_bytes()), Err(Problem::InvalidWord)), "{bad}");
        }
    }
}
