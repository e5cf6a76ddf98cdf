//! A browser without script, in which an operator is logged in.

use super::{Answer, World};

/// An operator who is logged in.
pub struct Browser<'a> {
    world: &'a World,
    pub cookie: String,
    pub csrf: String,
}

impl<'a> Browser<'a> {
    pub async fn log_in(world: &'a World, name: &str) -> Self {
        let answer = world
            .browse("", "POST", "/login", Some(&format!("username={name}&password={}", "correct+horse")))
            .await;
        assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let page = world.browse(&cookie, "GET", "/password", None).await;
        let csrf = between(&page.text, r#"name="csrf" value=""#, "\"").to_owned();
        Self { world, cookie, csrf }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.world.browse(&self.cookie, "GET", path, None).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let form = format!("csrf={}&{form}", self.csrf);
        self.world.browse(&self.cookie, "POST", path, Some(&form)).await
    }
}

#[track_caller]
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start} in {text}"));
    rest.split_once(end).unwrap().0
}
