//! Who we are to the API server: files, tokens that change, commands.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use discovery::providers::kubernetes::{Cluster, KubernetesDiscoverer};
use http_client::Variables;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::api_double::ApiDouble;
use crate::certificates::certificates;
use crate::follow::Follow;
use crate::objects;

async fn double_with_token(token: &str) -> ApiDouble {
    let double = ApiDouble::start().await;
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    double.behave(|manners| manners.token = Some(token.to_owned()));
    double
}

fn write_kubeconfig(folder: &Path, server: &str, user: &str) -> String {
    let path = folder.join("config");
    let text = format!(
        "current-context: here\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
         users: [{{name: u, user: {{{user}}}}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    format!("role: pod\nkubeconfig_file: {}\n", path.display())
}

#[tokio::test]
async fn a_token_of_the_section_is_sent() {
    let double = double_with_token("abc").await;
    let more = "authorization: {credentials: abc}";
    Follow::start(&double, "pod", more)
        .until_there("pod/default/p1")
        .await;
}

#[tokio::test]
async fn a_token_file_is_read_anew() {
    let double = double_with_token("first").await;
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let section = write_kubeconfig(dir.path(), &double.url(), "tokenFile: token");
    let mut follow = Follow::start_section(&section);
    follow.until_there("pod/default/p1").await;
    std::fs::write(&token, "second\n").unwrap();
    double.behave(|manners| manners.token = Some("second".to_owned()));
    double.cut();
    double.put("pods", objects::pod("p2", "default", "n1", "10.0.0.2"));
    follow.until_there("pod/default/p2").await;
}

#[tokio::test]
async fn a_command_is_asked_again_when_its_token_is_refused() {
    let double = double_with_token("token-1").await;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("login");
    // Another token at each run.
    let text = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho x >> runs\nn=$(wc -l < runs)\n\
        echo \"{\\\"apiVersion\\\": \\\"client.authentication.k8s.io/v1\\\", \
        \\\"kind\\\": \\\"ExecCredential\\\", \
        \\\"status\\\": {\\\"token\\\": \\\"token-$((n))\\\"}}\"\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login}";
    let section = write_kubeconfig(dir.path(), &double.url(), user);
    let mut follow = Follow::start_section(&section);
    follow.until_there("pod/default/p1").await;
    double.behave(|manners| manners.token = Some("token-2".to_owned()));
    double.cut();
    double.put("pods", objects::pod("p2", "default", "n1", "10.0.0.2"));
    follow.until_there("pod/default/p2").await;
    assert_eq!(
        std::fs::read_to_string(dir.path().join("runs"))
            .unwrap()
            .lines()
            .count(),
        2
    );
}

#[tokio::test]
async fn a_kubeconfig_file_may_hold_certificates() {
    let made = certificates();
    let double = ApiDouble::start_with(Some(made.acceptor(true, &[]))).await;
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    let dir = tempfile::tempdir().unwrap();
    let server = format!(
        "https://127.0.0.1:{}', certificate-authority-data: '{}",
        double.port(),
        STANDARD.encode(&made.ca)
    );
    std::fs::write(dir.path().join("key.pem"), &made.client.1).unwrap();
    let cert = STANDARD.encode(&made.client.0);
    let user = format!("client-certificate-data: {cert}, client-key: key.pem");
    let section = write_kubeconfig(dir.path(), &server, &user);
    let mut follow = Follow::start_section(&section);
    follow.until_there("pod/default/p1").await;
}

#[tokio::test]
async fn a_pod_follows_its_own_namespace_with_its_service_account() {
    let made = certificates();
    let double = ApiDouble::start_with(Some(made.acceptor(false, &[]))).await;
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    double.put("pods", objects::pod("p1", "own", "n1", "10.0.0.2"));
    double.behave(|manners| manners.token = Some("first".to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("ca.crt", &made.ca);
    write("token", "first");
    write("namespace", "own");
    let cluster = Cluster {
        host: Some("127.0.0.1".to_owned()),
        port: Some(double.port().to_string()),
        folder: dir.path(),
        variables: Variables::of([]),
    };
    let section = "role: pod\nnamespaces: {own_namespace: true}";
    let mut follow = Follow::start_made(section, |configs, environment| {
        let config = configs.kubernetes_sd_configs.iter().next().unwrap();
        let made = KubernetesDiscoverer::in_cluster(config, environment, &cluster);
        Box::new(made.unwrap())
    });
    follow.until_there("pod/own/p1").await;
    // The cluster gives another token from time to time.
    write("token", "second");
    double.behave(|manners| manners.token = Some("second".to_owned()));
    double.cut();
    double.put("pods", objects::pod("p2", "own", "n1", "10.0.0.3"));
    follow.until_there("pod/own/p2").await;
    assert_eq!(follow.groups.len(), 2);
}

/// A proxy that brings every CONNECT to `port` of this machine; its address and what it was asked.
async fn connect_proxy(port: u16) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heads, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heads = heads.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let _ = heads.send(String::from_utf8(head).unwrap());
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn the_clusters_own_server_is_reached_through_the_proxy_of_the_environment() {
    let made = certificates();
    let double = ApiDouble::start_with(Some(made.acceptor(false, &["h2"]))).await;
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    let (proxy, mut asked) = connect_proxy(double.port()).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.crt"), &made.ca).unwrap();
    std::fs::write(dir.path().join("token"), "t").unwrap();
    let kubeconfig = format!(
        "https://kubernetes.test:6443', certificate-authority-data: '{}",
        STANDARD.encode(&made.ca)
    );
    let by_file = write_kubeconfig(dir.path(), &kubeconfig, "token: t");
    let cluster = Cluster {
        host: Some("kubernetes.test".to_owned()),
        port: Some("443".to_owned()),
        folder: dir.path(),
        variables: Variables::of([("https_proxy", &proxy), ("NO_PROXY", "other.test")]),
    };
    for (section, expected) in [("role: pod", "443"), (&by_file, "6443")] {
        let mut follow = Follow::start_made(section, |configs, environment| {
            let config = configs.kubernetes_sd_configs.iter().next().unwrap();
            let made = KubernetesDiscoverer::in_cluster(config, environment, &cluster);
            Box::new(made.unwrap())
        });
        follow.until_there("pod/default/p1").await;
        let head = asked.recv().await.unwrap();
        let wanted = format!("CONNECT kubernetes.test:{expected} HTTP/1.1\r\n");
        assert!(head.starts_with(&wanted), "{head}");
    }
}

#[tokio::test]
async fn options_of_the_client_that_are_not_built_are_named() {
    let text = "kubernetes_sd_configs:\n- {role: pod, api_server: 'http://h'}\n\
                - {role: pod, api_server: 'http://h', tls_config: {ca_ref: c}}\nhttp_sd_configs: [{url: 'http://h'}]\n\
                nerve_sd_configs: [{servers: [a], paths: [/b]}]\n";
    let mut configs = discovery::config::SdConfigs::default();
    yaml::decode(text, yaml::Dialect::V2, true, &mut configs).expect("good sections");
    let expected = ["nerve_sd_configs", "kubernetes_sd_configs[1].ca_ref"];
    assert_eq!(configs.not_built(), expected);
}
