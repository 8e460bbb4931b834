//! Who we are to the API server: files, tokens that change, commands.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::api_double::ApiDouble;
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
async fn options_of_the_client_that_are_not_built_are_named() {
    let text = "kubernetes_sd_configs:\n- {role: pod, api_server: 'http://h'}\n\
                - {role: pod, api_server: 'http://h', oauth2: {client_id: x, \
                client_secret: y, token_url: 'http://t'}}\nhttp_sd_configs: [{url: 'http://h'}]\n\
                nerve_sd_configs: [{servers: [a], paths: [/b]}]\n";
    let mut configs = discovery::config::SdConfigs::default();
    yaml::decode(text, yaml::Dialect::V2, true, &mut configs).expect("good sections");
    let expected = ["nerve_sd_configs", "kubernetes_sd_configs[1].oauth2"];
    assert_eq!(configs.not_built(), expected);
}
