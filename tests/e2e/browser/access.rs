//! Who may: tokens, tickets, and pages of other origins.

use serde_json::json;

use crate::{
    browser::{
        driver::browse,
        gateway::{Killable, jwt, token},
    },
    stack::Stack,
};

#[test]
fn a_page_without_the_right_is_told_so_and_does_not_try_again() {
    browse(async |browser| {
        let stack = Stack::with(&jwt()).await;
        for (options, status) in [
            (json!({"tenants": ["a"]}), 401),
            (json!({"tenants": ["b"], "bearer": token("a")}), 403),
            (json!({"tenants": ["a"], "bearer": "no token"}), 401),
        ] {
            let page = browser.tab(stack.gateway.public).await;
            page.connect(options).await;
            assert_eq!(page.hears("error").await["status"], status);
            page.comes_to("stream.stream.status === 'closed'").await;
        }
        stack.stop().await;
    });
}

#[test]
fn a_page_may_follow_and_confirm_by_its_token() {
    browse(async |browser| {
        let stack = Stack::with(&format!("upstream.ack = \"confirmed\"\n{}", jwt())).await;
        let page = browser.first(stack.gateway.public).await;
        page.follow(json!({"bearer": token("a")})).await;
        let sent = stack.service.push("a", "confirm me");
        assert_eq!(page.pushes(1).await, [sent.as_str()]);
        let push = json!({"tenant": "a", "id": sent});
        assert_eq!(page.run("return stream.stream.confirm(arguments[0])", push).await, "done");
        stack.service.answered(&sent, "ack").await;
        stack.stop().await;
    });
}

#[test]
fn tabs_of_another_origin_share_a_connection_too() {
    browse(async |browser| {
        let listed = |origin: String| format!("server.cors_origins = [{origin:?}]\n{}", jwt());
        let mut gateway = Killable::start(|public| listed(format!("http://localhost:{}", public.port()))).await;
        let page = format!("http://localhost:{}/client.d.ts", gateway.public.port());
        let options = json!({"module": format!("http://{}/client.js", gateway.public), "bearer": token("a")});
        let first = browser.tab_at(&page).await;
        first.follow(options.clone()).await;
        let second = browser.tab_at(&page).await;
        second.follow(options).await;
        gateway.kill_amid_pushes().await;
        let kept = gateway.kept(300).await;
        for page in [&first, &second] {
            assert_eq!(page.pushes(300).await, kept);
        }
        assert_eq!(gateway.subscribers("a").await, 1);
        gateway.service.stop().await;
    });
}
