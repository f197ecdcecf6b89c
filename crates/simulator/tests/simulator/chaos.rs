use pushgate_simulator::SimulatorConfig;
use serde_json::{Value, json};

use crate::bed::TestBed;

async fn run(bed: &TestBed, chaos: Value) -> Value {
    let (status, begun) = bed.post("/control/chaos", chaos).await;
    assert_eq!(status, 202, "{begun}");
    bed.until("/control/chaos", |chaos| chaos["done"] == true).await
}

#[actix_web::test]
async fn the_same_seed_does_the_same_and_leaves_no_fault() {
    let bed = TestBed::start(SimulatorConfig::default());
    let chaos = json!({"seed": 7, "accounts": ["a", "b", "c"], "per_second": 2000, "seconds": 0.1});
    let first = run(&bed, chaos.clone()).await;
    assert_eq!((&first["seed"], &first["struck"], &first["suffering"]), (&json!(7), &json!(200), &json!(0)));
    for account in ["a", "b", "c"] {
        assert_eq!(bed.get(&format!("/control/accounts/{account}/faults")).await, json!({}));
    }
    let kinds = first["kinds"].as_object().unwrap();
    assert_eq!((kinds.len(), kinds.values().filter_map(Value::as_u64).sum()), (16, 200_u64));
    assert_eq!(run(&bed, chaos).await, first);
    let other = run(&bed, json!({"seed": 8, "accounts": ["a"], "per_second": 2000, "seconds": 0.1})).await;
    assert_ne!(other["kinds"], first["kinds"]);
}

#[actix_web::test]
async fn chaos_strikes_until_it_is_ended() {
    let bed = TestBed::start(SimulatorConfig::default());
    let _lines = [bed.connect("a").await, bed.connect("b").await];
    bed.until("/control/stats", |stats| stats["sockets"] == 2).await;
    let chaos = json!({"per_second": 100, "seconds": 3600, "kinds": ["silent"]});
    let (status, begun) = bed.post("/control/chaos", chaos.clone()).await;
    assert_eq!((status.as_u16(), &begun["accounts"], begun["seed"].is_u64()), (202, &json!(2), true));
    assert_eq!(bed.post("/control/chaos", chaos).await.0, 409);
    bed.until("/control/accounts/a/faults", |faults| faults["silent"] == true).await;
    assert_eq!(bed.delete("/control/chaos").await, 200);
    let ended = bed.get("/control/chaos").await;
    assert_eq!((&ended["done"], &ended["suffering"]), (&json!(true), &json!(0)));
    for account in ["a", "b"] {
        assert_eq!(bed.get(&format!("/control/accounts/{account}/faults")).await, json!({}));
    }
}

#[actix_web::test]
async fn chaos_that_can_not_be_is_a_problem() {
    let bed = TestBed::start(SimulatorConfig::default());
    assert_eq!(bed.get("/control/chaos").await["total"], 0);
    for body in [
        json!({"per_second": 1, "seconds": 1}),
        json!({"accounts": 1, "per_second": 0, "seconds": 1}),
        json!({"accounts": 1, "per_second": 1, "seconds": 1, "kinds": []}),
        json!({"accounts": 1, "per_second": 1, "seconds": 1, "kinds": ["earthquake"]}),
        json!({"accounts": "all", "per_second": 1, "seconds": 1}),
    ] {
        assert_eq!(bed.post("/control/chaos", body.clone()).await.0, 422, "{body}");
    }
}
