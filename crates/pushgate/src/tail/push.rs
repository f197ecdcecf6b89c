use std::fmt::Write as _;

use pushgate_subscriber::{Event, PushEvent};

use super::{escape, style::Style};

/// How a push looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A block of lines for people.
    Text {
        /// Its colours.
        style: Style,
        /// Whether it says whose push it is.
        names_tenant: bool,
    },
    /// One line: the event's data and its cursor.
    Json,
}

impl Form {
    /// The text of a push, its last line break included.
    pub(super) fn show(self, event: &Event, push: &PushEvent) -> String {
        match self {
            Self::Text { style, names_tenant } => {
                block(style, names_tenant.then_some(push.tenant.as_str()), event, push)
            }
            Self::Json => json_line(event),
        }
    }
}

fn block(style: Style, tenant: Option<&str>, event: &Event, push: &PushEvent) -> String {
    let Style { bold, dim, name, reset } = style;
    let mut text = format!("{dim}{}{reset}  ", escape::line(&push.received_at));
    let mut add = |parts: std::fmt::Arguments<'_>| text.write_fmt(parts).expect("a string takes everything");
    if let Some(tenant) = tenant {
        add(format_args!("{name}{}{reset}  ", escape::line(tenant)));
    }
    add(format_args!("{bold}{}{reset}\n", escape::line(&push.title)));
    for line in push.body.lines() {
        add(format_args!("    {}\n", escape::line(line)));
    }
    add(format_args!("    {dim}{}{reset}\n", escape::line(&event.id)));
    text
}

/// The data as the gateway wrote it, the order of its keys included, with the cursor as its last key.
fn json_line(event: &Event) -> String {
    let data = event.data.trim_end();
    // A push has keys, so a comma fits in front of another one.
    let data = data.strip_suffix('}').unwrap_or(data).trim_end();
    let cursor = serde_json::Value::from(event.id.as_str());
    escape::json(&format!("{data},\"cursor\":{cursor}}}")) + "\n"
}

#[cfg(test)]
mod tests {
    use pushgate_subscriber::Data;

    use super::*;

    fn event(title: &str, body: &str) -> (Event, PushEvent) {
        let data = serde_json::json!({
            "tenant": "acme", "id": "i", "created_at": "c", "title": title, "body": body,
            "received_at": "2026-11-24T06:00:00.000Z", "seq": 7,
        });
        let event = Event { event: "message".into(), data: data.to_string(), id: "e-7".into() };
        let Ok(Data::Push(push)) = event.decode() else { panic!("no push") };
        (event, push)
    }

    fn text(style: Style, names_tenant: bool, title: &str, body: &str) -> String {
        let (event, push) = event(title, body);
        Form::Text { style, names_tenant }.show(&event, &push)
    }

    #[test]
    fn a_push_is_a_block_of_lines() {
        assert_eq!(
            text(Style::PLAIN, true, "Hello", "one\r\n\ntwo\n"),
            "2026-11-24T06:00:00.000Z  acme  Hello\n    one\n    \n    two\n    e-7\n"
        );
        assert_eq!(text(Style::PLAIN, false, "", ""), "2026-11-24T06:00:00.000Z  \n    e-7\n");
    }

    #[test]
    fn only_own_colours_reach_the_terminal() {
        let shown = text(Style::COLOURED, true, "\x1b]0;owned\x07", "\x1b[2J\r\u{202e}");
        assert_eq!(shown.matches('\x1b').count(), 8, "{shown:?}");
        assert!(shown.contains("\\u{1b}]0;owned\\u{7}") && shown.contains("\\u{1b}[2J\\u{d}\\u{202e}"), "{shown:?}");
        let plain = text(Style::PLAIN, true, "\x1b]0;owned\x07", "\x1b[2J\r\u{202e}");
        assert!(!plain.contains('\x1b'));
    }

    #[test]
    fn json_is_the_data_and_the_cursor() {
        let (mut event, push) = event("t", "b\nc");
        event.data = r#"{"tenant":"acme","seq":7,"title":"}"} "#.to_owned();
        let line = Form::Json.show(&event, &push);
        assert_eq!(line, "{\"tenant\":\"acme\",\"seq\":7,\"title\":\"}\",\"cursor\":\"e-7\"}\n");
    }
}
