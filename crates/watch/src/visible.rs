//! The state as one caller sees it, for methods that make something else of it than a watch.

use proto::watch::v1::Object;
use proto::watch::v1::object::Kind;
use rpc::{Error, Rights};
use state::State;

use crate::sight::Sight;
use crate::wire;

/// Objects of these kinds as a watch that began now would tell them, sorted by kind and key: those that a caller may see who was
/// given `own`, the permission of the method that asks. Goes through all objects of the state, so not on a thread that serves others.
///
/// # Errors
/// `Denied` for who is not given `own`, `Unauthenticated` for who was revoked, `NotReady` on a member that cannot say.
pub fn visible(state: &State, rights: &Rights, own: &str, kinds: &[Kind]) -> Result<Vec<Object>, Error> {
    let sight = Sight::by(rights, own)?;
    let shown = state
        .objects()
        .filter(|object| kinds.contains(&wire::kind(object.kind())) && sight.shows(object));
    Ok(shown.map(|object| wire::object(&object)).collect())
}

#[cfg(test)]
mod tests {
    use proto::configurator::v1::configurator_command::{Change, PutTemplate};
    use proto::configurator::v1::{ConfiguratorCommand, Template};
    use proto::raft::v1::entry::Command;
    use proto::smd::v1::smd_command::{self, CreateComponents};
    use proto::smd::v1::{Component, SmdCommand, component};
    use raft::Store;

    use super::*;

    /// A component and a template.
    async fn store() -> Store {
        let store = Store::in_memory();
        let component = Component {
            id: "x0c0s0b0n0".into(),
            state: component::State::On.into(),
            ..Component::default()
        };
        let create = CreateComponents {
            components: vec![component],
            ..CreateComponents::default()
        };
        let create = smd_command::Change::CreateComponents(create);
        let template = Template {
            name: "motd".into(),
            path: "motd".into(),
            ..Template::default()
        };
        let put = Change::PutTemplate(PutTemplate {
            template: Some(template),
            if_revision: None,
        });
        for command in [
            Command::Smd(SmdCommand { change: Some(create) }),
            Command::Configurator(ConfiguratorCommand { change: Some(put) }),
        ] {
            store.propose("user/admin", command, None).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn only_the_kinds_that_are_asked_for_are_told() {
        let state = store().await.state();
        let keys = |kinds: &[Kind]| -> Vec<String> {
            let shown = visible(&state, &Rights::default(), "configurator.read", kinds).unwrap();
            shown.into_iter().map(|object| object.key).collect()
        };
        assert_eq!(keys(&[Kind::Component, Kind::Template]), ["x0c0s0b0n0", "motd"]);
        assert_eq!(keys(&[Kind::Template]), ["motd"]);
        assert!(keys(&[Kind::Subnet]).is_empty() && keys(&[]).is_empty());
    }
}
