"""What can go wrong, and the tests that provoke it: the table to read first, and to add a line to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

FAULTS = {
    "the disk is full": [
        "faults/test_full_disk.py::test_invariant_12_stored_is_readable_while_the_disk_is_full",
        "faults/test_full_disk.py::test_deleting_works_again_and_again_on_a_full_disk",
        "faults/test_full_disk.py::test_children_that_cannot_work_are_started_until_they_can",
    ],
    "Redis refuses what it is asked": ["faults/test_redis_refusals.py::test_a_worker_outlives_a_redis_that_refuses"],
    "a stranger's message is in the queue": [
        "faults/test_redis_refusals.py::test_a_worker_outlives_a_message_that_is_none"
    ],
    "another Redis becomes the primary": ["faults/test_redis_failover.py::test_failovers_in_mid_stream_cost_nothing"],
    "requests are begun and never ended": [
        "faults/test_half_sent.py::test_invariant_11_bystanders_go_on_while_requests_are_half_sent",
        "faults/test_half_sent.py::test_bytes_that_trickle_do_not_extend_the_time",
    ],
    "a text is dear to format": ["faults/test_hostile_texts.py::test_the_page_of_a_hostile_text_keeps_nobody_waiting"],
    "a body is dear to check": ["faults/test_bystanders.py::test_a_schema_keeps_nobody_waiting"],
    "a worker stands still": ["integration/test_up.py::test_a_worker_that_stands_still_is_ended_and_its_job_goes_on"],
    "a worker is killed in mid-stream": [
        "faults/test_workers.py::test_a_killed_workers_job_goes_on_before_its_viewers_eyes",
        "faults/test_workers.py::test_a_worker_that_nobody_saw_die_is_missed",
        "faults/test_workers.py::test_invariant_1_accepted_is_never_lost",
        "contract/worker/writing/test_report.py::test_invariant_5_finished_items_stay_when_the_worker_dies_among_sections",
    ],
    "everything dies while a plan waits for somebody to agree": [
        "faults/test_plan_review.py::test_a_plan_waits_through_the_death_of_all_processes_and_the_loss_of_the_log",
        "faults/test_plan_review.py::test_a_worker_that_dies_after_the_agreement_does_not_ask_again",
    ],
    "everything dies while a section is written again": [
        "faults/test_plan_review.py::test_a_section_is_written_again_through_the_death_of_all_processes"
    ],
    "a worker is killed between its commits": [
        "faults/test_guards.py::test_nothing_is_called_finished_before_it_is_kept",
        "faults/test_guards.py::test_invariant_5_finished_items_stay_when_the_worker_is_killed",
    ],
    "a worker freezes, is replaced, and thaws": [
        "faults/test_workers.py::test_invariant_4_stale_writes_refused",
        "faults/test_guards.py::test_invariant_4_stale_writes_refused_by_the_log_alone",
        "faults/test_guards.py::test_invariant_4_stale_writes_refused_by_the_row_alone",
    ],
    "a job kills whoever runs it": [
        "faults/test_workers.py::test_a_job_that_costs_its_workers_is_given_up_with_its_text"
    ],
    "a client or its web process is gone while it waits for a create": [
        "faults/test_waiters.py::test_a_web_process_that_is_killed_leaves_nothing_that_runs_or_stays",
        "faults/test_waiters.py::test_a_second_try_after_the_web_process_died_buys_nothing_again",
        "faults/test_waiters.py::test_a_client_that_resets_its_connection_stops_the_spend",
    ],
    "a message comes twice, or never": [
        "faults/test_workers.py::test_many_wake_ups_make_one_run",
        "faults/test_workers.py::test_invariant_1_accepted_is_never_lost",
    ],
    "a new version is deployed": [
        "faults/test_workers.py::test_a_worker_that_is_sent_home_hands_over",
        "faults/test_workers.py::test_a_worker_with_time_finishes_first",
        "faults/test_viewers.py::test_a_web_process_that_is_sent_home_costs_its_viewers_nothing",
    ],
    "the model is silent, or only comments": [
        "faults/test_model_faults.py::test_a_fault_ends_as_it_should",
        "faults/test_cancel.py::test_invariant_7_cancel_stops_the_spend",
    ],
    "the model's stream is cut, garbled, or just ends": [
        "faults/test_model_faults.py::test_a_fault_ends_as_it_should",
        "faults/test_model_faults.py::test_invariant_6_never_false_success",
    ],
    "the model server refuses, or cannot be reached": [
        "faults/test_model_faults.py::test_a_fault_ends_as_it_should",
        "faults/test_model_faults.py::test_the_wait_that_the_server_asks_for_is_kept",
        "faults/test_model_faults.py::test_a_server_that_cannot_be_reached_is_named",
    ],
    "somebody cancels: a silent model, between tries, in the queue, under a dead worker, without Redis, at the end": [
        "faults/test_cancel.py::test_invariant_7_cancel_stops_the_spend",
        "faults/test_cancel.py::test_a_cancel_ends_the_wait_before_another_try",
        "faults/test_cancel.py::test_a_queued_job_is_never_bought",
        "faults/test_cancel.py::test_a_cancel_holds_when_the_worker_is_dead",
        "faults/test_cancel.py::test_a_cancel_arrives_without_redis",
        "faults/test_cancel.py::test_a_cancel_arrives_when_its_message_does_not",
        "faults/test_cancel.py::test_a_cancel_arrives_at_a_worker_of_another_kind",
        "faults/test_cancel.py::test_a_cancel_and_an_end_at_the_same_moment_make_one_end",
        "faults/test_cancel.py::test_many_cancels_are_one",
    ],
    "Redis is killed and comes back, with its file or without": [
        "faults/test_redis.py::test_a_redis_that_dies_and_comes_back_costs_nothing",
        "faults/test_redis_losses.py::test_jobs_run_on_and_are_accepted",
    ],
    "Redis is down, frozen, or refuses": [
        "faults/test_redis.py::test_a_job_is_accepted_without_redis_and_runs_afterwards",
        "faults/test_redis.py::test_a_worker_that_begins_without_redis_works_as_soon_as_it_is_there",
        "faults/test_redis.py::test_who_comes_while_redis_is_away_is_kept_company_and_then_told_everything",
        "faults/test_redis.py::test_what_ends_while_redis_is_away_is_told_all_the_same",
        "faults/test_redis_losses.py::test_jobs_run_on_and_are_accepted",
    ],
    "Redis is emptied, rolled back, or its logs lose parts": [
        "faults/test_redis.py::test_an_emptied_redis_costs_nothing",
        "faults/test_redis.py::test_log_and_worker_lost_together_are_followed_by_a_restart",
        "faults/test_redis_losses.py::test_invariant_2_one_log_one_order_whatever_the_log_has_lost",
        "contract/jobs/transport/test_event_log_properties.py::test_invariant_2_one_log_one_order_whatever_is_late_lost_or_repeated",
    ],
    "connections to Redis are cut": ["faults/test_redis.py::test_connections_that_are_cut_cost_nothing"],
    "a link stalls, is cut, or is half open": [
        "faults/test_links.py::test_a_link_that_stalls_costs_nothing",
        "faults/test_links.py::test_a_link_that_is_cut_is_made_again",
        "faults/test_links.py::test_links_that_are_half_open_are_given_up",
    ],
    "the database is locked, full, read-only, or away": [
        "faults/test_database.py::test_a_database_that_others_hold_is_waited_for",
        "faults/test_database.py::test_others_are_answered_while_a_write_waits",
        "faults/test_database.py::test_workers_that_cannot_beat_do_not_bury_each_other",
        "faults/test_database.py::test_a_full_disk_takes_no_job_by_halves_and_loses_none",
        "faults/test_database.py::test_a_database_that_may_only_be_read_is_named",
    ],
    "the database is on another machine, which stalls, cuts or goes silent": [
        "faults/test_remote_database.py::test_a_server_that_stalls_and_cuts_costs_nothing",
        "faults/test_remote_database.py::test_jobs_that_end_while_the_server_stalls_are_bought_once",
        "faults/test_remote_database.py::test_who_lost_the_link_without_a_word_is_back_soon_after_it",
    ],
    "a viewer leaves and returns, at any cursor": [
        "faults/test_redis.py::test_invariant_2_one_log_one_order",
        "contract/web/relay/test_wire.py::test_an_event_source_that_comes_back_gets_exactly_the_rest",
        "contract/web/relay/test_wire.py::test_a_cursor_that_is_no_number_is_refused",
        "contract/web/relay/test_wire.py::test_a_cursor_beyond_the_end_gets_an_empty_stream_that_ends",
    ],
    "a viewer comes between subscription, log and transcript": [
        "faults/test_viewers.py::test_whoever_comes_at_any_moment_sees_everything_once"
    ],
    "viewers vanish, read slowly, or are many": [
        "faults/test_viewers.py::test_viewers_that_vanish_are_freed",
        "faults/test_viewers.py::test_a_slow_reader_costs_memory_for_nobody",
        "faults/test_viewers.py::test_many_viewers_share_few_connections",
    ],
    "an end is not told": ["faults/test_guards.py::test_nobody_waits_for_an_end_that_is_known"],
    "a web process is killed": [
        "faults/test_redis.py::test_a_killed_web_process_costs_an_event_source_nothing",
        "browser/test_pages.py::test_a_page_goes_on_when_the_web_process_is_replaced",
    ],
    "the model writes what should not run": ["browser/test_pages.py::test_invariant_9_nothing_executes"],
    "another owner, another page, a name that was made to point here": [
        "contract/web/test_auth.py::test_invariant_8_owner_only",
        "contract/web/test_auth.py::test_another_page_is_refused",
        "contract/web/test_auth.py::test_a_name_that_was_made_to_point_here_is_refused",
    ],
    "everything at once": ["faults/test_soak.py::test_nothing_is_lost_nothing_is_doubled_nothing_is_left_over"],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_tests(fault: str) -> None:
    for test in FAULTS[fault]:
        path, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (TESTS / path).read_text(), re.MULTILINE), test


def test_each_file_of_tests_is_in_the_table() -> None:
    named = {test for tests in FAULTS.values() for test in tests}
    files = {test.partition("::")[0] for test in named if test.startswith("faults/")}
    assert files | {"faults/test_fault_table.py", "faults/test_privacy.py"} == {
        f"faults/{path.name}" for path in (TESTS / "faults").glob("test_*.py")
    }
