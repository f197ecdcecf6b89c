//! The body of a tenant's settings, for those who read the API's description. What the keys mean and which values are
//! valid is known where settings are read.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// The keys of `[[tenants]]`. All are optional: what is missing comes from the gateway's own settings.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantSettings)]
#[expect(dead_code, reason = "only describes the body")]
pub(super) struct SettingsSchema {
    /// The id of the path, if it is given at all; never shown.
    #[schema(nullable = false)]
    id: Option<String>,
    /// Where it dials, `ws://` or `wss://`; `{tenant}` is replaced by the id.
    #[schema(nullable = false, example = "wss://push.example.com/ws/{tenant}")]
    url: Option<String>,
    /// Sent as `Authorization: Bearer …`.
    #[schema(nullable = false)]
    bearer: Option<SecretSchema>,
    /// Further request headers.
    #[schema(nullable = false)]
    headers: Option<BTreeMap<String, SecretSchema>>,
    /// Further query parameters.
    #[schema(nullable = false)]
    query: Option<BTreeMap<String, SecretSchema>>,
    /// Asked for in `Sec-WebSocket-Protocol`, and required of the answer.
    #[schema(nullable = false)]
    subprotocol: Option<String>,
    /// A client certificate, PEM.
    #[schema(nullable = false)]
    client_cert: Option<SecretSchema>,
    /// The certificate's key, PEM.
    #[schema(nullable = false)]
    client_key: Option<SecretSchema>,
    /// An HTTP proxy to dial through: `http://[user[:password]@]host[:port]`.
    #[schema(nullable = false)]
    proxy: Option<SecretSchema>,
    /// Whether it dials at all.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// When a push is answered.
    #[schema(nullable = false)]
    ack: Option<AckSchema>,
    /// How long a subscriber's word is waited for, with its unit.
    #[schema(nullable = false, example = "30s")]
    ack_timeout: Option<String>,
    /// What happens without a word in that time.
    #[schema(nullable = false)]
    ack_on_timeout: Option<OnTimeoutSchema>,
    /// What a message that can't be accepted is answered.
    #[schema(nullable = false)]
    on_quarantine: Option<AnswerSchema>,
}

/// A secret: itself, or where it is. One that was given itself is shown as `"***"`, and putting `"***"` keeps it.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = Secret)]
#[expect(dead_code, reason = "only describes the body")]
enum SecretSchema {
    /// The secret itself.
    Literal(String),
    /// In a variable of the gateway's environment.
    Env {
        /// The variable's name.
        env: String,
    },
    /// In a file that the gateway can read.
    File {
        /// The file's path.
        file: String,
    },
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AckPolicy)]
#[expect(dead_code, reason = "only describes the body")]
enum AckSchema {
    Stored,
    Delivered,
    Confirmed,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OnTimeout)]
#[expect(dead_code, reason = "only describes the body")]
enum OnTimeoutSchema {
    Nack,
    Ack,
    None,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Answer)]
#[expect(dead_code, reason = "only describes the body")]
enum AnswerSchema {
    Nack,
    Ack,
}
