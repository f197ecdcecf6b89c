use bytes::Bytes;
use pushgate_journal::{
    Append, Entry, Fsync, Journal, JournalError, QuarantineEntry, QuarantineQuery, Quarantined, StoredTenant,
};
use pushgate_model::{PushId, TenantId};

use crate::harness::TestJournal;

fn id(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn stored(name: &str, settings: Option<&str>) -> StoredTenant {
    StoredTenant { id: id(name), settings: settings.map(str::to_owned), version: "v1".to_owned(), paused: true }
}

#[tokio::test]
async fn tenants_survive_a_kill() {
    for fsync in [Fsync::Always, Fsync::Every(std::time::Duration::from_secs(3600)), Fsync::Never] {
        let journal = TestJournal::with(|config| config.fsync = fsync);
        for tenant in [stored("b", Some("{}")), stored("a", None), stored("c", None)] {
            journal.journal.put_tenant(tenant).await.unwrap();
        }
        let changed = StoredTenant { paused: false, version: "v2".to_owned(), ..stored("b", Some("{\"x\":1}")) };
        journal.journal.put_tenant(changed.clone()).await.unwrap();
        journal.journal.delete_tenant(id("c")).await.unwrap();
        journal.journal.delete_tenant(id("nobody")).await.unwrap();
        let killed = journal.killed();
        assert_eq!(killed.journal.tenants().await.unwrap(), [stored("a", None), changed]);
    }
}

#[tokio::test]
async fn deleting_a_tenant_keeps_its_pushes_and_purging_keeps_the_tenant() {
    let mut journal = TestJournal::new();
    journal.journal.put_tenant(stored("acme", None)).await.unwrap();
    journal.store("acme", "a").await;
    journal.journal.delete_tenant(id("acme")).await.unwrap();
    assert_eq!(journal.kept("acme").await, [1]);
    journal.journal.put_tenant(stored("acme", None)).await.unwrap();
    journal.journal.purge(id("acme")).await.unwrap();
    let page = journal.read(&["acme"], 0).await;
    assert_eq!((page.pushes.len(), page.trimmed.get()), (0, 1));
    assert_eq!(journal.journal.tenants().await.unwrap(), [stored("acme", None)]);
    assert_eq!(journal.tool().query_row("SELECT count(*) FROM pushes", [], |row| row.get(0)), Ok(0));
    assert_eq!(journal.store("acme", "a").await, 2);
    let mut journal = journal.restart().await;
    assert_eq!(journal.kept("acme").await, [2]);
    assert_eq!(journal.store("umbra", "b").await, 3);
}

#[tokio::test]
async fn the_quarantine_is_listed_by_page_and_by_tenant() {
    let mut journal = TestJournal::new();
    let broken = |journal: &TestJournal, tenant: &str, byte: u8| {
        let raw = Bytes::from(vec![byte; 3]);
        let push_id = Some(PushId::from("broken"));
        let entry = Entry::Quarantine(QuarantineEntry { raw, push_id, reason: "broken", size: 9 });
        Append { entry, ..journal.make(tenant, "unused") }
    };
    let first = broken(&journal, "acme", 0);
    let received_at = first.received_at;
    journal.append(first).await;
    for number in 0..10 {
        journal.append(broken(&journal, ["acme", "umbra"][number % 2], number as u8)).await;
    }
    let list = async |tenant: Option<&str>, after, limit| {
        let query = QuarantineQuery { tenant: tenant.map(id), after, limit };
        journal.journal.quarantine(query).await.unwrap()
    };
    let ids = |entries: Vec<Quarantined>| entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(list(None, 0, 4).await), [1, 2, 3, 4]);
    assert_eq!(ids(list(None, 8, usize::MAX).await), [9, 10]);
    assert_eq!(ids(list(Some("umbra"), 2, 3).await), [4, 6, 8]);
    assert_eq!(ids(list(Some("nobody"), 0, 3).await), []);

    let entry = Quarantined {
        id: 1,
        tenant: id("acme"),
        push_id: Some("broken".into()),
        received_at,
        reason: "broken".to_owned(),
        size: 9,
        count: 2,
    };
    let got = journal.journal.quarantined(1).await.unwrap().unwrap();
    assert_eq!((got.entry, got.raw), (entry, Bytes::from_static(&[0; 3])));
    assert!(journal.journal.delete_quarantined(1).await.unwrap());
    for unknown in [1, 11, u64::MAX] {
        assert!(!journal.journal.delete_quarantined(unknown).await.unwrap());
        assert_eq!(journal.journal.quarantined(unknown).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_store_that_fails_refuses_changes_and_a_closed_one_too() {
    let journal = TestJournal::new();
    let tool = journal.tool();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    journal.wait_until_failing().await;
    assert!(matches!(journal.journal.put_tenant(stored("a", None)).await, Err(JournalError::Engine(_))));
    assert!(journal.journal.tenants().await.unwrap().is_empty(), "reading goes on");
    tool.execute_batch("COMMIT").unwrap();
    journal.wait_until_writable().await;
    journal.journal.put_tenant(stored("a", None)).await.unwrap();
    journal.journal.close().await;
    assert!(matches!(journal.journal.purge(id("a")).await, Err(JournalError::Closed)));
}
