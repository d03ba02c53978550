// SPDX-License-Identifier: Apache-2.0
// The BPF maps that a process has open, one a line: id, name, bytes the kernel charges, elements of hash maps (-1: no
// hash map).  maps PID
#define _GNU_SOURCE
#include "common.h"

#include <bpf/bpf.h>
#include <dirent.h>

static long elements(int map, const struct bpf_map_info *info)
{
	void *key = NULL, *next;
	long count = 0;

	if (info->type != BPF_MAP_TYPE_HASH && info->type != BPF_MAP_TYPE_LRU_HASH)
		return -1;
	next = malloc(info->key_size * 2);
	while (!bpf_map_get_next_key(map, key, next)) {
		key = (char *)next + info->key_size;
		memcpy(key, next, info->key_size);
		count++;
	}
	free(next);
	return count;
}

int main(int count, char **arguments)
{
	char folder[64], path[sizeof(((struct dirent *)0)->d_name) + 72], line[256];
	struct dirent *entry;
	DIR *files;

	if (count != 2) {
		fprintf(stderr, "usage: maps PID\n");
		return 64;
	}
	snprintf(folder, sizeof(folder), "/proc/%s/fdinfo", arguments[1]);
	files = opendir(folder);
	must(files ? 0 : -1, folder);
	while ((entry = readdir(files))) {
		unsigned long id = 0, bytes = 0;
		struct bpf_map_info info = { 0 };
		__u32 size = sizeof(info);
		FILE *file;
		int map;

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			sscanf(line, "map_id: %lu", &id);
			sscanf(line, "memlock: %lu", &bytes);
		}
		if (file)
			fclose(file);
		if (!id)
			continue;
		map = must(bpf_map_get_fd_by_id(id), "open a map");
		must(bpf_obj_get_info_by_fd(map, &info, &size), "ask about a map");
		printf("%lu %s %lu %ld\n", id, info.name, bytes, elements(map, &info));
		close(map);
	}
	return 0;
}
