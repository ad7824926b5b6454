/*
 * reload.h - the rules of a broker: the first ones, later ones, and the way of each from the files
 * through the committer to the workers.  All or nothing.
 * Threads: main.
 */
#pragma once
#include "daemon/broker.h"

/* Loads policy and trust anew and sends them on their way; all or nothing. */
void broker_reload(struct broker *b, struct job *asked);
/* The record of new rules takes long. */
void broker_reload_is_slow(struct broker *b);
/* Something arrived in main's mailbox. */
void broker_mail(struct broker *b);
/* The first rules: as a reload, before anybody is let in. */
MUST_USE bool broker_first_rules(struct broker *b, struct err *e);
/* At the end nobody is left to tell. */
void broker_drop_mail(struct broker *b);
