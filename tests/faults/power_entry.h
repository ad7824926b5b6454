/*
 * power_entry.h - one entry of the record that power_record.c writes and power_disk.c reads.
 * An entry is this head, then 'name', 'to' and the data, without padding.  Names are paths below
 * the folder that is watched; "" is the folder itself.  What happened before an entry was written
 * stands before it, whichever thread or process did it.
 */
#pragma once
#include <stdint.h>

enum power_kind {
	POWER_START = 1,  /* a process begins to write */
	POWER_MAKE,	  /* the file 'name' came to be */
	POWER_MAKE_DIR,	  /* the folder 'name' */
	POWER_MOVE,	  /* 'name' is now 'to' */
	POWER_REMOVE,	  /* 'name' is gone */
	POWER_WRITE,	  /* the data is at 'at' of 'name', in the cache */
	POWER_WRITE_DONE, /* the last WRITE of 'name', to an O_DSYNC descriptor, is on the disk */
	POWER_SIZE,	  /* 'name' has 'at' bytes */
	POWER_GROW,	  /* 'name' has at least 'at' bytes */
	POWER_SYNC,	  /* a flush of 'name', file or folder, was asked for.. */
	POWER_SYNC_DONE,  /* ..and what was there by then is on the disk */
	POWER_MAPPED,	  /* 'name' can be written through memory: it may hold anything */
	POWER_ACCEPT,	  /* a connection from port 'at' */
	POWER_SEND,	  /* bytes are about to leave to port 'at'.. */
	POWER_SENT,	  /* ..and 'data_len' did (no data follows) */
	POWER_FAILED,	  /* a flush of 'name': what it was to make durable will never be */
	POWER_ODD	  /* 'name' says what was done that the model does not know */
};

struct power_entry {
	uint64_t bytes; /* of the whole entry */
	uint32_t kind;
	uint16_t name_len;
	uint16_t to_len;
	uint64_t at;
	uint64_t data_len;
};
