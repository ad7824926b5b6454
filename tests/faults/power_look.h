/*
 * power_look.h - what reltod would find: opens a store, verifies all of it as a start does, and
 * prints what is there, a line each, for the ledger of test_power.py:
 *	none				there was no store; a new one could be made
 *	broken WHY			it does not open, or does not stand up to its verification
 *	log SIZE PUBLISHED CLEAN POLICY	then, of each record in order:
 *	record TYPE REPORT PARTIES LEAF ROOT MORE
 *	erased INDEX			this record's person stands open to nobody any more
 *	report PARTY ID INTAKE DECISIONS DIGEST BODIES	of all parts but bodies, and of these
 *	subscription PARTY NAME
 *	queued PARTY NAME REPORT
 *	held PARTY REPORT
 *	kept FILE SIZE ROOT		a checkpoint in the state folder of a context
 *	saved NAME DIGEST		a report that relto sub saved: of all its contents
 * Ids and digests are in hex, "-" is nothing; ROOT is that of the log up to this record.  MORE is,
 *of a DECISION or NARROWED, its outcome; of an ACK the DELIVERY records it names; of a POLICY its
 * digest; of a SUBSCRIPTION its name.
 */
#pragma once
#include <stdio.h>

/* 'work' has the store's folders spool and archive, and the clients' home/state and home/saved;
 * 'vkey' is the file with the log's key. */
void power_look(const char *work, const char *vkey, FILE *to);
