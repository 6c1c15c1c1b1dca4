export function openApi(url: string): Record<string, unknown> {
  return { servers: [{ url }] };
}
