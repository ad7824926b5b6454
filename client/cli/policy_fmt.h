/*
 * policy_fmt.h - `relto policy fmt [--check] DIR|FILE..`: one layout for the files of a policy.
 * Threads: one.
 */
#pragma once

int policy_fmt(int argc, char **argv);
