//! HTTP/1.1: heads, contents, parking, upgrades.

use super::*;

#[tokio::test(start_paused = true)]
async fn requests_are_answered_one_after_the_other_and_in_a_row() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.is_greeted().await;
            client.is_greeted().await;
            let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none";
            client.send(&format!("{post}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
            let responses = client.rest().await;
            assert!(responses.contains("\r\n\r\noneHTTP/1.1 200 OK") && responses.ends_with("hello"), "{responses}");
            assert_eq!((gate.worker.open(), gate.permits.open()), (0, 0));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            pass(9).await;
            assert_eq!(gate.worker.open(), 1);
            assert_eq!(client.rest().await, "");
            assert_eq!(gate.worker.open(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_closed_without_an_answer() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.is_greeted().await;
            let began = tokio::time::Instant::now();
            for byte in "GET / HTTP/1.1\r\n".chars() {
                let _ = client.0.write_all(&[byte as u8]).await;
                pass(1).await;
            }
            assert_eq!(client.rest().await, "");
            assert!(began.elapsed() < Duration::from_secs(17));
            assert_eq!(*gate.events.borrow(), [ConnectionEvent::TooSlow]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_connection_serves_again_until_keep_alive_is_over() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            for idle in [0, 3, 70] {
                pass(idle).await;
                client.is_greeted().await;
            }
            let began = tokio::time::Instant::now();
            assert_eq!(client.rest().await, "");
            let kept = began.elapsed().as_millis();
            assert!((75_000..75_500).contains(&kept), "{kept}");
            assert_eq!(*gate.events.borrow(), []);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_beginning_of_a_head_survives_parking() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT").await;
            client.read_to("hello").await;
            pass(3).await;
            client.send("TP/1.1\r\nHost: a\r\n\r\n").await;
            client.read_to("hello").await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn heads_over_the_limits_are_refused_with_431() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let fields = "X: y\r\n".repeat(101);
            let long = format!("X: {}\r\n", "y".repeat(64 * 1024));
            for head in [fields, long] {
                let mut client = gate.connect().await;
                let _ = client.0.write_all(format!("GET / HTTP/1.1\r\n{head}\r\n").as_bytes()).await;
                let response = client.rest().await;
                assert!(response.starts_with("HTTP/1.1 431 "), "{response:?}");
            }
            let mut client = gate.connect().await;
            let target = "y".repeat(70 * 1024);
            let _ = client.0.write_all(format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
            let response = client.rest().await;
            assert!(response.starts_with("HTTP/1.1 431 ") || response.starts_with("HTTP/1.1 414 "), "{response}");
            let events = gate.events.borrow();
            assert_eq!(events.len(), 3);
            assert!(events.iter().all(|event| matches!(event, ConnectionEvent::Malformed(_))), "{events:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn http2_without_tls_is_refused() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
            assert!(!client.rest().await.contains("200"));
            assert_eq!(*gate.events.borrow(), [ConnectionEvent::Malformed(StatusCode::BAD_REQUEST)]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_content_that_stops_coming_is_not_waited_for() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").await;
            for _ in 0..4 {
                pass(200).await;
                client.send(".").await;
            }
            assert_eq!(gate.worker.open(), 1, "slow is not stopped");
            let began = tokio::time::Instant::now();
            assert!(!client.rest().await.contains("200 OK"));
            assert!(began.elapsed() < Duration::from_secs(302));
            assert_eq!(*gate.events.borrow(), [ConnectionEvent::TooSlow]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_its_time_is_waited_for() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::start(
                ServerSettings { idle_timeout: Duration::from_secs(20), ..settings() },
                Permits::new(9, None, None),
            );
            let mut client = gate.connect().await;
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
            client.read_to("hello").await;
            client.send("GET /drip HTTP/1.1\r\nHost: a\r\n\r\n").await;
            client.read_to("0\r\n\r\n").await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_late_gets_every_byte() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
            // An idle connection would be parked by now.
            pass(30).await;
            client.read_to("\r\n\r\n").await;
            let mut content = vec![0; LARGE];
            client.0.read_exact(&mut content).await.unwrap();
            client.is_greeted().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_of_a_connection_is_sent_whole_too() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            pass(30).await;
            client.read_to("\r\n\r\n").await;
            assert_eq!(client.rest().await.len(), LARGE);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_closed() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
            pass(299).await;
            assert_eq!(gate.worker.open(), 1);
            pass(2).await;
            assert_eq!(gate.worker.open(), 0);
            assert_eq!(*gate.events.borrow(), [ConnectionEvent::TooSlow]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_joined_with_the_application() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            // The first message comes with the head.
            client.send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping!").await;
            let response = client.read_to("ping!").await;
            assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
            client.send("again!").await;
            client.read_to("again!").await;
            client.0.shutdown().await.unwrap();
            assert_eq!(client.rest().await, "");
            assert_eq!(*gate.ended.borrow(), [(11, 11)]);
            assert_eq!(gate.worker.open(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_tunnel_is_closed() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            client.send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
            client.read_to("\r\n\r\n").await;
            pass(59).await;
            client.send("ping").await;
            client.read_to("ping").await;
            let began = tokio::time::Instant::now();
            assert_eq!(client.rest().await, "");
            assert!(began.elapsed() > Duration::from_secs(59));
            assert_eq!(*gate.ended.borrow(), [(4, 4)]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tunnelled_before_a_101() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            let ask = "GET /refused HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            client.send(&format!("{ask}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            client.read_to("no tunnel").await;
            client.read_to("hello").await;
            pass(2).await;
            client.is_greeted().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_100_is_sent_to_a_client_that_waits_for_it_and_only_if_its_content_is_wanted() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            let expect = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
            client.send(&format!("POST /echo {expect}")).await;
            assert_eq!(client.read_to("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
            client.send("one").await;
            assert!(client.read_to("one").await.starts_with("HTTP/1.1 200 OK\r\n"));
            // This one sends its content at once.
            client.send(&format!("POST /echo {expect}two")).await;
            assert!(client.read_to("two").await.starts_with("HTTP/1.1 200 OK\r\n"));
            client.send(&format!("POST / {expect}")).await;
            let response = client.rest().await;
            assert!(response.contains("connection: close\r\n") && response.ends_with("hello"), "{response}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn unread_content_is_skipped_if_it_has_arrived_and_else_ends_the_connection() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            let post = "POST / HTTP/1.1\r\nHost: a\r\n";
            client.send(&format!("{post}Content-Length: 3\r\n\r\none")).await;
            client.read_to("hello").await;
            client.send(&format!("{post}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n")).await;
            client.read_to("hello").await;
            client.is_greeted().await;
            client.send(&format!("{post}Content-Length: 3\r\n\r\n")).await;
            let response = client.rest().await;
            assert!(response.contains("connection: close\r\n") && response.ends_with("hello"), "{response}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_dropped_when_its_client_is_gone() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            for path in ["/slow", "/drip"] {
                let mut client = gate.connect().await;
                client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
                pass(15).await;
                assert_eq!(gate.worker.open(), 1, "{path}");
                drop(client);
                pass(1).await;
                assert_eq!(gate.worker.open(), 0, "{path}");
            }
        })
        .await;
}
