//! A released notification on its way to sessions, with its encoded stanzas.

use std::sync::OnceLock;

use tidings_xmpp::ext::push::PushMessage;
use tidings_xmpp::ext::{Template, androidpn, push};

use crate::config::Config;
use crate::model::{Encoding, Notification};

/// A notification ready to be handed to sessions: read once, encoded once for each [`Encoding`].
#[derive(Debug)]
pub struct Delivery {
    /// The notification.
    pub notification: Notification,
    headline: OnceLock<Template>,
    legacy: OnceLock<Template>,
}

impl Delivery {
    /// Wraps a notification; nothing is encoded yet.
    pub fn new(notification: Notification) -> Self {
        Self { notification, headline: OnceLock::new(), legacy: OnceLock::new() }
    }

    /// The stanza in `encoding`, but for its `to`.
    pub fn template(&self, encoding: Encoding, config: &Config) -> &Template {
        match encoding {
            Encoding::Headline => self.headline.get_or_init(|| {
                let message = self.message();
                push::headline_template(&message, &config.domain, &message.id)
            }),
            Encoding::Legacy => self.legacy.get_or_init(|| {
                let message = self.message();
                androidpn::iq_template(&message, &message.id, &config.legacy.api_key)
            }),
        }
    }

    fn message(&self) -> PushMessage {
        let notification = &self.notification;
        let content = &notification.content;
        PushMessage {
            id: notification.id.to_string(),
            title: content.title.clone(),
            message: content.message.clone(),
            uri: content.uri.clone(),
            image: content.image.clone(),
            data: content.data.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            priority: notification.priority.as_str().to_owned(),
            topic: notification.topic.as_ref().map(ToString::to_string),
            sent: notification.sent_at.whole_seconds().to_string(),
            expires: Some(notification.expires_at.whole_seconds().to_string()),
        }
    }
}
