/*
 * policy_prove.h - relto policy prove: whether anything is ever released that a sentence forbids.
 */
#pragma once

int policy_prove(int argc, char **argv);
