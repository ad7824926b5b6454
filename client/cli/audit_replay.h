/*
 * audit_replay.h - relto audit replay: whether the recorded decisions follow the recorded policy.
 */
#pragma once

extern const char audit_replay_usage[];
/* The words from "replay" on. */
int audit_replay(int argc, char **argv);
