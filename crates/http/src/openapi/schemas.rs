//! Schemas of the domain's words, whose crates know nothing of HTTP.

use std::borrow::Cow;

use pushgate_model::ConnectionState;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A connection's state.
pub(crate) struct StateSchema;

/// Where a tenant comes from.
pub(crate) struct SourceSchema;

impl PartialSchema for StateSchema {
    fn schema() -> RefOr<Schema> {
        let names = ConnectionState::ALL.map(ConnectionState::as_str);
        words("What a connection does; all but `paused` heal by themselves", &names)
    }
}

impl ToSchema for StateSchema {
    fn name() -> Cow<'static, str> {
        "ConnectionState".into()
    }
}

impl PartialSchema for SourceSchema {
    fn schema() -> RefOr<Schema> {
        words("Where a tenant comes from: those of files are changed there", &["file", "api"])
    }
}

impl ToSchema for SourceSchema {
    fn name() -> Cow<'static, str> {
        "Source".into()
    }
}

fn words(description: &str, words: &[&str]) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    schema.enum_values(Some(words.iter().copied())).build().into()
}
