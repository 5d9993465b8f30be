/*
 * A Vulkan driver (ICD) around another one, for tests of the engine without a GPU. Built by vulkan-driver.mjs; no headers
 * of Vulkan are needed, the few structures are written down here.
 *
 * ASR_VULKAN_DRIVER  library of the driver that computes
 * ASR_VULKAN_FAULTS  a folder in which files may appear and go:
 *   memory  holds the bytes that may be allocated on the device at once; beyond them: out of device memory
 *   lost    taken away by the first submission that sees it: it and all later ones of this process answer that the
 *           device is lost
 *   hung    each submission waits until the file is gone
 *
 * It also says that images in arrays may be indexed freely. Dawn asks for that, Mesa's lavapipe has had it only since
 * version 23, and nothing that onnxruntime computes uses an image.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEATURES = 55, SAMPLED_IMAGES = 34, STORAGE_IMAGES = 36, STRUCTURE_FEATURES_2 = 1000059000 };
enum { OUT_OF_DEVICE_MEMORY = -2, DEVICE_LOST = -4 };

typedef void (*Function)(void);
typedef Function (*Lookup)(void *handle, const char *name);
typedef struct Chain { int32_t type; struct Chain *next; } Chain;
typedef struct { Chain chain; uint32_t features[FEATURES]; } Features2;
typedef struct {
  Chain chain;
  uint32_t flags, queue_count;
  const void *queues;
  uint32_t layer_count;
  const void *layers;
  uint32_t extension_count;
  const void *extensions;
  uint32_t *features;
} DeviceInfo;
typedef struct { Chain chain; uint64_t size; uint32_t type; } AllocateInfo;

static void *driver(void) {
  static void *library;
  if (!library) library = dlopen(getenv("ASR_VULKAN_DRIVER"), RTLD_NOW | RTLD_LOCAL);
  return library;
}

/* What the driver itself has under these names. */
static Lookup device_lookup;
static void (*get_features)(void *, uint32_t *);
static void (*get_features_2)(void *, Features2 *);
static int32_t (*create_device)(void *, const DeviceInfo *, const void *, void **);
static int32_t (*queue_submit)(void *, uint32_t, const void *, uint64_t);
static int32_t (*allocate_memory)(void *, const AllocateInfo *, const void *, uint64_t *);
static void (*free_memory)(void *, uint64_t, const void *);

static void set_claimed(uint32_t *features, uint32_t value) {
  if (features) features[SAMPLED_IMAGES] = features[STORAGE_IMAGES] = value;
}

static void our_get_features(void *device, uint32_t *features) {
  get_features(device, features);
  set_claimed(features, 1);
}

static void our_get_features_2(void *device, Features2 *features) {
  get_features_2(device, features);
  set_claimed(features->features, 1);
}

/* The driver refuses what it does not have. */
static int32_t our_create_device(void *physical, const DeviceInfo *info, const void *allocator, void **device) {
  set_claimed(info->features, 0);
  for (Chain *link = info->chain.next; link; link = link->next)
    if (link->type == STRUCTURE_FEATURES_2) set_claimed(((Features2 *)link)->features, 0);
  return create_device(physical, info, allocator, device);
}

/* A file of the folder for faults, or NULL. */
static FILE *fault(const char *name) {
  const char *folder = getenv("ASR_VULKAN_FAULTS");
  char path[4096];
  if (!folder || snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path)) return NULL;
  return fopen(path, "r");
}

static int is_set(const char *name) {
  FILE *file = fault(name);
  if (file) fclose(file);
  return file != NULL;
}

static int take(const char *name) {
  char path[4096];
  const char *folder = getenv("ASR_VULKAN_FAULTS");
  return folder && snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) && unlink(path) == 0;
}

static uint64_t memory_limit(void) {
  unsigned long long limit = UINT64_MAX;
  FILE *file = fault("memory");
  if (!file) return limit;
  if (fscanf(file, "%llu", &limit) != 1) limit = UINT64_MAX;
  fclose(file);
  return limit;
}

static int32_t our_queue_submit(void *queue, uint32_t count, const void *submits, uint64_t fence) {
  static int is_lost;
  while (is_set("hung")) usleep(10000);
  is_lost |= take("lost");
  return is_lost ? DEVICE_LOST : queue_submit(queue, count, submits, fence);
}

/* Allocations that are alive; Dawn makes few, and large ones. */
static struct { uint64_t memory, size; } blocks[65536];
static uint32_t block_count;
static uint64_t allocated;

static int32_t our_allocate_memory(void *device, const AllocateInfo *info, const void *allocator, uint64_t *memory) {
  if (allocated + info->size > memory_limit()) return OUT_OF_DEVICE_MEMORY;
  int32_t result = allocate_memory(device, info, allocator, memory);
  if (result == 0 && block_count < sizeof(blocks) / sizeof(blocks[0])) {
    blocks[block_count].memory = *memory;
    blocks[block_count++].size = info->size;
    allocated += info->size;
  }
  return result;
}

static void our_free_memory(void *device, uint64_t memory, const void *allocator) {
  for (uint32_t i = 0; i < block_count; i++) {
    if (blocks[i].memory != memory) continue;
    allocated -= blocks[i].size;
    blocks[i] = blocks[--block_count];
    break;
  }
  free_memory(device, memory, allocator);
}

static Function our_device_lookup(void *device, const char *name);

static const struct { const char *name; void *real; void *ours; } replaced[] = {
  {"vkGetDeviceProcAddr", &device_lookup, our_device_lookup},
  {"vkGetPhysicalDeviceFeatures", &get_features, our_get_features},
  {"vkGetPhysicalDeviceFeatures2", &get_features_2, our_get_features_2},
  {"vkGetPhysicalDeviceFeatures2KHR", &get_features_2, our_get_features_2},
  {"vkCreateDevice", &create_device, our_create_device},
  {"vkQueueSubmit", &queue_submit, our_queue_submit},
  {"vkAllocateMemory", &allocate_memory, our_allocate_memory},
  {"vkFreeMemory", &free_memory, our_free_memory},
};

static Function replace(const char *name, Function real) {
  if (!real) return NULL;
  for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
    if (strcmp(name, replaced[i].name) != 0) continue;
    *(Function *)replaced[i].real = real;
    return (Function)replaced[i].ours;
  }
  return real;
}

static Function our_device_lookup(void *device, const char *name) {
  return replace(name, device_lookup(device, name));
}

static Lookup exported(const char *name) {
  return driver() ? (Lookup)dlsym(driver(), name) : NULL;
}

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  Lookup lookup = exported("vk_icdGetInstanceProcAddr");
  return lookup ? replace(name, lookup(instance, name)) : NULL;
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  Lookup lookup = exported("vk_icdGetPhysicalDeviceProcAddr");
  return lookup ? replace(name, lookup(instance, name)) : NULL;
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  int32_t (*negotiate)(uint32_t *) = (int32_t(*)(uint32_t *))exported("vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate ? negotiate(version) : -9;
}
