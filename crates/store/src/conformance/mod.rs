//! What every store must do, as cases that run on any of them.
//!
//! [`run`] tries each promise of the port by itself, on a database that is open twice. [`compare`] runs a seeded
//! random history on a store and on [`MemoryStore`](crate::MemoryStore) side by
//! side and expects the same answers. A case that fails panics and says which.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed case panics"
)]

mod account_history;
mod accounts;
mod admin;
mod callers;
mod cancel;
mod collapse;
mod commits;
mod delivery;
mod endpoints;
mod expiry;
mod handles;
mod invitations;
mod model;
mod purge;
mod scheduled;
mod topics;
mod world;

use self::handles::Handles;
pub use self::handles::{Database, Embedded};
pub use self::model::compare;

macro_rules! cases {
    ($make:ident: $($case:path),* $(,)?) => {$({
        let store = Handles::open(&$make().await).await;
        // Boxed: so many cases in one future would be a large one.
        Box::pin($case(&store)).await;
        let wrong = store.verify_counters().await.unwrap_or_default();
        assert!(wrong.is_empty(), "{}: {wrong:?}", stringify!($case));
    })*};
}

/// Runs every case, each on a database that `make` makes, which must be empty. Best run by
/// several workers, so that callers meet.
///
/// # Panics
/// When a case fails.
pub async fn run<F, T, D>(make: F)
where
    F: Fn() -> T,
    T: Future<Output = D>,
    D: Database,
{
    cases!(make:
        accounts::are_created_and_found,
        accounts::have_one_name_each,
        accounts::change,
        accounts::are_removed_with_what_was_pending,
        accounts::are_listed_in_pages,
        accounts::are_sorted,
        accounts::have_tokens,
        topics::are_subscribed_once,
        topics::are_set_together,
        topics::have_subscribers_in_pages,
        topics::reach_whom_they_were_released_to,
        topics::forget_what_was_before_a_second_subscription,
        topics::have_a_policy_where_the_operator_has_said_so,
        delivery::a_broadcast_is_for_those_who_exist,
        delivery::named_accounts_are_all_known_or_none_is_served,
        delivery::the_urgent_goes_first_and_order_holds,
        delivery::a_feed_is_bounded_and_goes_on_once_that_is_settled,
        delivery::the_head_is_known_where_an_account_is_idle,
        delivery::what_is_settled_is_read_by_its_number,
        delivery::settling_is_idempotent,
        delivery::settling_in_any_order_loses_nothing,
        delivery::accounts_that_are_not_meant_settle_nothing,
        delivery::opening_settles_and_counts_once,
        delivery::opening_is_counted_after_the_end,
        delivery::a_record_tells_all,
        delivery::history_is_newest_first,
        delivery::pages_are_bounded_in_bytes,
        delivery::history_of_a_sender_is_its_alone,
        delivery::an_id_is_taken_once,
        expiry::the_expired_is_not_fed_and_not_settled,
        expiry::expiry_is_bounded_and_in_order,
        cancel::cancelling_ends_what_is_pending,
        cancel::a_state_says_how_it_ended,
        cancel::what_waits_is_bounded,
        purge::totals_are_kept,
        purge::a_clock_that_was_ahead_holds_nothing_up,
        purge::the_finished_is_purged,
        account_history::of_named_accounts,
        account_history::of_broadcasts,
        account_history::goes_on_page_by_page,
        account_history::is_forgotten_with_the_history,
        scheduled::release_gives_a_new_place,
        scheduled::release_is_for_those_who_exist_then,
        scheduled::release_for_nobody_counts_as_cancelled,
        scheduled::the_scheduled_can_be_cancelled,
        scheduled::a_repeat_answers_the_first,
        commits::are_told_before_the_answer,
        commits::are_told_in_order_whoever_causes_them,
        commits::of_what_failed_are_not_told,
        callers::accept_in_one_order_for_every_reader,
        callers::release_each_once,
        callers::expire_and_purge_each_once,
        callers::settle_and_open_each_copy_once,
        callers::with_one_idempotency_key_send_once,
        callers::create_a_name_and_subscribe_once,
        collapse::among_named_accounts,
        collapse::a_broadcast_replaces_broadcasts,
        collapse::a_topic_replaces_its_own,
        collapse::one_for_an_account_replaces_a_broadcast_there,
        collapse::a_broadcast_replaces_queued_ones_when_fed,
        collapse::a_topic_replaces_a_broadcast_for_its_subscribers,
        collapse::each_sender_by_itself,
        endpoints::are_registered_once,
        endpoints::get_what_is_sent_to_them,
        endpoints::collapse_each_by_itself,
        endpoints::take_nothing_once_they_have_ended,
        endpoints::are_listed_and_forgotten,
        invitations::make_one_account_each,
        invitations::end_and_are_for_whom_they_name,
        invitations::are_listed_and_forgotten,
        invitations::are_used_once_however_many_try,
        admin::keys,
        admin::operators_and_their_logins,
        admin::the_audit_log,
        admin::settings,
        admin::a_closed_store_refuses,
    );
}
